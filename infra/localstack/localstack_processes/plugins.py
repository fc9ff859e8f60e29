"""What LocalStack finds by its entry points; nothing is imported before it is asked for."""

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=process"""

    name = "process"

    def load(self, *_args: object, **_kwargs: object) -> type:
        from localstack_processes.executor import ProcessRuntimeExecutor

        return ProcessRuntimeExecutor


@aws_provider(api="kinesis", name="moto")
def kinesis_from_moto() -> Service:
    """PROVIDER_OVERRIDE_KINESIS=moto: needs no Node, and a filling shard does not slow it down."""
    from localstack.aws.api.kinesis import KinesisApi
    from localstack.services.moto import MotoFallbackDispatcher
    from localstack.services.plugins import ServiceLifecycleHook

    from localstack_processes import shard

    shard.install()

    class MotoKinesis(KinesisApi, ServiceLifecycleHook):
        """All operations fall through to moto."""

    return Service.for_provider(MotoKinesis(), dispatch_table_factory=MotoFallbackDispatcher)


@aws_provider(api="s3", name="apart")
def s3_apart() -> Service:
    """PROVIDER_OVERRIDE_S3=apart: its files lie in a folder of this LocalStack's own.

    They all share one in /tmp otherwise, and with a bucket one deletes the other's of that name.
    """
    from localstack.services.s3.provider import S3Provider
    from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore

    return Service.for_provider(S3Provider(EphemeralS3ObjectStore()))


@aws_provider(api="lambda", name="weighted")
def lambda_weighted() -> Service:
    """PROVIDER_OVERRIDE_LAMBDA=weighted: an alias's weights can be changed, and not only made."""
    from localstack.services.lambda_.invocation.lambda_models import AliasRoutingConfig
    from localstack.services.lambda_.provider import LambdaProvider

    class WeightedLambda(LambdaProvider):
        def _create_routing_config_model(
            self, routing_config_dict: dict[str, float], function_version: object = None
        ) -> AliasRoutingConfig:
            """LocalStack 4.14.0 forgets the version where an alias is changed, and fails."""
            if function_version is None:
                return AliasRoutingConfig(version_weights=routing_config_dict)
            return super()._create_routing_config_model(routing_config_dict, function_version)

    return Service.for_provider(WeightedLambda())

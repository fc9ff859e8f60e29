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

    class MotoKinesis(KinesisApi, ServiceLifecycleHook):
        """All operations fall through to moto."""

    return Service.for_provider(MotoKinesis(), dispatch_table_factory=MotoFallbackDispatcher)

"""What each variable of terraform/ sets, and where: a table that the plans are held against."""

from typing import Any, Final

from tests.terraform.planning import PACKAGE

KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/mine"
FORMER_KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/former"
IMAGE: Final = f"example.com/ride-scoring@sha256:{'0' * 64}"
PATTERN: Final = '{"partitionKey": ["1"]}'
STARTS_AT: Final = "2026-01-31T00:00:00Z"
TAGS: Final = {"team": "rides"}
THRESHOLDS: Final = {
    "iterator_age_seconds": 30,
    "error_share": 0.5,
    "reject_share": 0.25,
    "silent_minutes": 20,
}

# All that go together, none as its default is; the others in a second plan and a third.
PLANS: Final[dict[str, dict[str, Any]]] = {
    "most": {
        "name": "fares",
        "tags": TAGS,
        "kms_key_arn": KEY,
        "former_kms_key_arns": [FORMER_KEY],
        "events_shards": 3,
        "predictions_shards": 2,
        "retention_hours": 48,
        "shard_metrics": ["IncomingBytes"],
        "rejects_retention_days": 11,
        "noncurrent_retention_days": 12,
        "discard_models": True,
        "discard_rejects": True,
        "package": PACKAGE,
        "architecture": "arm64",
        "memory_mb": 2048,
        "timeout_seconds": 90,
        "ephemeral_storage_mb": 1024,
        "reserved_concurrency": 8,
        "provisioned_concurrency": 2,
        "tracing": True,
        "log_retention_days": 60,
        "model_name": "fare",
        "model_alias": "stable",
        "model_refresh_seconds": 5,
        "shadow_alias": "challenger",
        "shadow_stream": True,
        "environment_variables": {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"},
        "output_aggregation": "kpl",
        "mapping_enabled": False,
        "starting_position": "AT_TIMESTAMP",
        "starting_position_timestamp": STARTS_AT,
        "batch_size": 7,
        "batch_window_seconds": 3,
        "parallelization_factor": 4,
        "retry_attempts": 9,
        "record_age_seconds": 3600,
        "filter_patterns": [PATTERN],
        "enhanced_fan_out": True,
        "failure_queue": True,
        "alarm_emails": ["on-call@example.com"],
        "alarm_thresholds": THRESHOLDS,
    },
    "others": {
        "package": PACKAGE,
        "encrypt_streams": False,
        "events_shards": None,
        "snap_start": True,
        "rejects_retention_days": None,
        "noncurrent_retention_days": None,
        "alarm_thresholds": {"iterator_age_seconds": None, "reject_share": 0.5},
    },
    "image": {"image_uri": IMAGE},
    "canary": {"package": PACKAGE, "canary": {"stable_version": "7", "weight": 0.25}},
}

EVENTS: Final = "module.events_stream.aws_kinesis_stream.this"
PREDICTIONS: Final = "module.predictions_stream.aws_kinesis_stream.this"
SHADOW: Final = "module.shadow_stream[0].aws_kinesis_stream.this"
FUNCTION: Final = "module.scoring_function.aws_lambda_function.this"
ALIAS: Final = "module.scoring_function.aws_lambda_alias.live"
WARM: Final = "module.scoring_function.aws_lambda_provisioned_concurrency_config.live[0]"
ZIP: Final = "module.scoring_function.aws_s3_object.package[0]"
LOG: Final = "module.scoring_function.aws_cloudwatch_log_group.this"
MAPPING: Final = "module.event_source.aws_lambda_event_source_mapping.this"
TOPIC: Final = "module.observability.aws_sns_topic.alarms"
MAIL: Final = 'module.observability.aws_sns_topic_subscription.email["on-call@example.com"]'
CONSUMER: Final = 'module.events_stream.aws_kinesis_stream_consumer.this["fares-scoring"]'
MODELS: Final = "module.models_bucket.aws_s3_bucket"
REJECTS: Final = "module.rejects_bucket.aws_s3_bucket"
LIFECYCLE: Final = "_lifecycle_configuration.this[0]"
ENCRYPTION: Final = "_server_side_encryption_configuration.this"
_KEY_OF_RULE: Final = "rule.0.apply_server_side_encryption_by_default.0.kms_master_key_id"


NOTHING_COMES: Final = "module.observability.aws_cloudwatch_metric_alarm.nothing_comes"


def alarm(name: str, kind: str = "ratio") -> str:
    return f'module.observability.aws_cloudwatch_metric_alarm.{kind}["{name}"]'


Row = tuple[str, str, str, str, Any]
REACHES: Final[tuple[Row, ...]] = (
    ("most", "name", FUNCTION, "function_name", "fares-scoring"),
    ("most", "name", EVENTS, "name", "fares-events"),
    ("most", "name", PREDICTIONS, "name", "fares-predictions"),
    ("most", "name", SHADOW, "name", "fares-shadow-predictions"),
    ("most", "name", f"{MODELS}.this", "bucket", "fares-123456789012-us-east-1-models"),
    ("most", "name", f"{REJECTS}.this", "bucket", "fares-123456789012-us-east-1-rejects"),
    ("most", "name", TOPIC, "name", "fares-alarms"),
    ("most", "tags", FUNCTION, "tags", TAGS),
    ("most", "kms_key_arn", EVENTS, "kms_key_id", KEY),
    ("most", "kms_key_arn", PREDICTIONS, "kms_key_id", KEY),
    ("most", "kms_key_arn", SHADOW, "kms_key_id", KEY),
    ("most", "kms_key_arn", f"{MODELS}{ENCRYPTION}", _KEY_OF_RULE, KEY),
    ("most", "kms_key_arn", f"{REJECTS}{ENCRYPTION}", _KEY_OF_RULE, KEY),
    ("most", "kms_key_arn", FUNCTION, "kms_key_arn", KEY),
    ("most", "kms_key_arn", LOG, "kms_key_id", KEY),
    ("most", "kms_key_arn", MAPPING, "kms_key_arn", KEY),
    ("most", "kms_key_arn", TOPIC, "kms_master_key_id", KEY),
    ("most", "kms_key_arn", "aws_sqs_queue.failures[0]", "kms_master_key_id", KEY),
    ("most", "events_shards", EVENTS, "shard_count", 3),
    ("others", "events_shards", EVENTS, "stream_mode_details.0.stream_mode", "ON_DEMAND"),
    ("most", "predictions_shards", PREDICTIONS, "shard_count", 2),
    ("most", "predictions_shards", SHADOW, "shard_count", 2),
    ("most", "retention_hours", EVENTS, "retention_period", 48),
    ("most", "retention_hours", PREDICTIONS, "retention_period", 48),
    ("most", "retention_hours", SHADOW, "retention_period", 48),
    ("most", "shard_metrics", EVENTS, "shard_level_metrics", ["IncomingBytes"]),
    ("most", "shard_metrics", PREDICTIONS, "shard_level_metrics", ["IncomingBytes"]),
    ("most", "shard_metrics", SHADOW, "shard_level_metrics", ["IncomingBytes"]),
    ("others", "encrypt_streams", EVENTS, "encryption_type", "NONE"),
    ("others", "encrypt_streams", PREDICTIONS, "encryption_type", "NONE"),
    ("image", "encrypt_streams", EVENTS, "kms_key_id", "alias/aws/kinesis"),
    ("most", "rejects_retention_days", f"{REJECTS}{LIFECYCLE}", "rule.1.expiration.0.days", 11),
    ("most", "rejects_retention_days", f"{REJECTS}{LIFECYCLE}", "rule.2.expiration.0.days", 13),
    ("most", "rejects_retention_days", f"{REJECTS}{LIFECYCLE}", "rule.3.expiration.0.days", 11),
    *(
        (
            "most",
            "noncurrent_retention_days",
            f"{bucket}{LIFECYCLE}",
            "rule.0.noncurrent_version_expiration.0.noncurrent_days",
            12,
        )
        for bucket in (MODELS, REJECTS)
    ),
    ("most", "discard_models", f"{MODELS}.this", "force_destroy", True),
    ("others", "discard_models", f"{MODELS}.this", "force_destroy", False),
    ("most", "discard_rejects", f"{REJECTS}.this", "force_destroy", True),
    ("others", "discard_rejects", f"{REJECTS}.this", "force_destroy", False),
    ("most", "package", ZIP, "source", str(PACKAGE)),
    ("image", "image_uri", FUNCTION, "image_uri", IMAGE),
    ("most", "architecture", FUNCTION, "architectures", ["arm64"]),
    ("most", "memory_mb", FUNCTION, "memory_size", 2048),
    ("most", "timeout_seconds", FUNCTION, "timeout", 90),
    ("most", "ephemeral_storage_mb", FUNCTION, "ephemeral_storage.0.size", 1024),
    ("most", "reserved_concurrency", FUNCTION, "reserved_concurrent_executions", 8),
    ("most", "provisioned_concurrency", WARM, "provisioned_concurrent_executions", 2),
    ("others", "snap_start", FUNCTION, "snap_start.0.apply_on", "PublishedVersions"),
    ("most", "tracing", FUNCTION, "tracing_config.0.mode", "Active"),
    ("most", "log_retention_days", LOG, "retention_in_days", 60),
    ("canary", "canary", ALIAS, "function_version", "7"),
    ("canary", "canary", alarm("canary-rejects"), "alarm_name", "ride-canary-rejects"),
    ("most", "shadow_stream", SHADOW, "shard_count", 2),
    ("most", "mapping_enabled", MAPPING, "enabled", False),
    ("most", "batch_size", MAPPING, "batch_size", 7),
    ("most", "batch_window_seconds", MAPPING, "maximum_batching_window_in_seconds", 3),
    ("most", "parallelization_factor", MAPPING, "parallelization_factor", 4),
    ("most", "retry_attempts", MAPPING, "maximum_retry_attempts", 9),
    ("most", "record_age_seconds", MAPPING, "maximum_record_age_in_seconds", 3600),
    ("most", "filter_patterns", MAPPING, "filter_criteria.0.filter.0.pattern", PATTERN),
    ("most", "starting_position", MAPPING, "starting_position", "AT_TIMESTAMP"),
    ("most", "starting_position_timestamp", MAPPING, "starting_position_timestamp", STARTS_AT),
    ("most", "enhanced_fan_out", CONSUMER, "name", "fares-scoring"),
    ("most", "failure_queue", "aws_sqs_queue.failures[0]", "name", "fares-failures"),
    ("most", "alarm_emails", MAIL, "protocol", "email"),
    ("most", "alarm_thresholds", alarm("iterator-age", "simple"), "threshold", 30_000),
    ("most", "alarm_thresholds", alarm("errors"), "threshold", 50),
    ("most", "alarm_thresholds", alarm("rejects"), "threshold", 25),
    ("most", "alarm_thresholds", NOTHING_COMES, "evaluation_periods", 20),
    ("others", "alarm_thresholds", alarm("iterator-age", "simple"), "threshold", 60_000),
    ("others", "alarm_thresholds", alarm("rejects"), "threshold", 50),
)
"""A plan, a variable, and what it sets there: a resource, one of its arguments, and its value."""

TOLD: Final = frozenset(
    {
        *("model_name", "model_alias", "model_refresh_seconds", "shadow_alias"),
        *("output_aggregation", "environment_variables"),
    }
)
"""What scoring is told, and the resource becomes known to a plan only with the store's bucket:
terraform/tests/root_applied.tftest.hcl has the values."""

PROFILES: Final[dict[str, tuple[tuple[str, str, Any], ...]]] = {
    "dev": (
        (f"{REJECTS}.this", "force_destroy", True),
        (f"{MODELS}.this", "force_destroy", True),
    ),
    "local": (
        (EVENTS, "encryption_type", "NONE"),
        (f"{REJECTS}.this", "force_destroy", True),
    ),
    "prod": (
        (EVENTS, "name", "ride-prod-events"),
        (EVENTS, "retention_period", 168),
        (FUNCTION, "architectures", ["arm64"]),
        (MAPPING, "batch_size", 1000),
        (f"{REJECTS}.this", "force_destroy", False),
        (f"{MODELS}.this", "force_destroy", False),
    ),
}

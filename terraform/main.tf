# The whole: two streams, a function between them, what it reads and what it sets aside.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # Bucket names are shared by all accounts of AWS.
  unique_name = "${var.name}-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.id}"

  # Built from the name, so that what only mentions a stream need not wait until it stands.
  predictions_stream_name = "${var.name}-predictions"
  shadow_stream_name      = "${var.name}-shadow-predictions"

  stream_key = var.kms_key_arn != null ? var.kms_key_arn : var.encrypt_streams ? "alias/aws/kinesis" : null
}

module "events_stream" {
  source = "./modules/event_stream"

  name            = "${var.name}-events"
  shards          = var.events_shards
  retention_hours = var.retention_hours
  kms_key         = local.stream_key
  shard_metrics   = var.shard_metrics
  consumers       = var.enhanced_fan_out ? ["${var.name}-scoring"] : []
  tags            = var.tags
}

module "predictions_stream" {
  source = "./modules/event_stream"

  name            = local.predictions_stream_name
  shards          = var.predictions_shards
  retention_hours = var.retention_hours
  kms_key         = local.stream_key
  shard_metrics   = var.shard_metrics
  tags            = var.tags
}

module "shadow_stream" {
  source = "./modules/event_stream"
  count  = var.shadow_stream ? 1 : 0

  name            = local.shadow_stream_name
  shards          = var.predictions_shards
  retention_hours = var.retention_hours
  kms_key         = local.stream_key
  shard_metrics   = var.shard_metrics
  tags            = var.tags
}

# The model store: models/<name>/versions and aliases, and the function's packages. An alias may name
# an old version again at any time, so age alone deletes none.
module "models_bucket" {
  source = "./modules/bucket"

  name            = "${local.unique_name}-models"
  kms_key_arn     = var.kms_key_arn
  noncurrent_days = var.noncurrent_retention_days
  tier_days       = var.noncurrent_retention_days == null ? {} : { "models/" = 30 }
  force_destroy   = var.discard_models
  tags            = var.tags
}

# What can never be scored (rejects/), and batches whose retries are spent (aws/lambda/).
module "rejects_bucket" {
  source = "./modules/bucket"

  name            = "${local.unique_name}-rejects"
  kms_key_arn     = var.kms_key_arn
  noncurrent_days = var.noncurrent_retention_days
  expire_days = var.rejects_retention_days == null ? {} : {
    "rejects/"    = var.rejects_retention_days
    "aws/lambda/" = var.rejects_retention_days
    "redriven/"   = var.rejects_retention_days + 2 # what says that a ride was sent again outlives it
  }
  force_destroy = var.discard_rejects
  tags          = var.tags
}

module "event_source" {
  source = "./modules/event_source"

  stream_arn   = module.events_stream.arn
  consumer_arn = one(values(module.events_stream.consumer_arns))
  function_arn = module.scoring_function.alias.arn
  enabled      = var.mapping_enabled

  starting_position           = var.starting_position
  starting_position_timestamp = var.starting_position_timestamp

  batch_size              = var.batch_size
  batch_window_seconds    = var.batch_window_seconds
  parallelization_factor  = var.parallelization_factor
  retry_attempts          = var.retry_attempts
  record_age_seconds      = var.record_age_seconds
  filter_patterns         = var.filter_patterns
  kms_key_arn             = var.kms_key_arn
  failure_destination_arn = var.failure_queue ? one(aws_sqs_queue.failures[*].arn) : module.rejects_bucket.arn
  tags                    = var.tags
}

module "observability" {
  source = "./modules/observability"

  name               = var.name
  owner              = module.scoring_function.role_arn
  function_name      = module.scoring_function.name
  alias              = module.scoring_function.alias.name
  log_group          = module.scoring_function.log_group
  service            = module.scoring_function.name
  event_source_uuid  = module.event_source.uuid
  events_stream      = module.events_stream.name
  predictions_stream = module.predictions_stream.name
  canary             = var.canary == null ? null : { version = module.scoring_function.newest_version }
  alarm_emails       = var.alarm_emails
  thresholds = {
    iterator_age_seconds = lookup(var.alarm_thresholds, "iterator_age_seconds", null)
    error_share          = lookup(var.alarm_thresholds, "error_share", null)
    reject_share         = lookup(var.alarm_thresholds, "reject_share", null)
    silent_minutes       = lookup(var.alarm_thresholds, "silent_minutes", null)
  }
  kms_key_arn = var.kms_key_arn
  tags        = var.tags
}

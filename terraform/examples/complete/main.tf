# What the modules can do, at once: a key of one's own, a shadow, a queue for failures, alarms by mail.
#   make package
#   terraform -chdir=terraform/examples/complete init
#   terraform -chdir=terraform/examples/complete apply
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

module "ride_scoring" {
  source = "../.."

  name        = var.name
  tags        = { team = "rides", stage = "example" }
  kms_key_arn = aws_kms_key.this.arn

  events_shards      = var.shards
  predictions_shards = null # on-demand
  retention_hours    = 48
  shard_metrics      = ["IncomingBytes", "IncomingRecords", "WriteProvisionedThroughputExceeded"]

  noncurrent_retention_days = 30
  rejects_retention_days    = 90
  discard_models            = true
  discard_rejects           = true

  architecture         = var.architecture
  memory_mb            = 1769
  timeout_seconds      = 120
  ephemeral_storage_mb = 512
  snap_start           = true
  tracing              = true
  log_retention_days   = 30
  canary               = var.canary
  package              = var.package

  shadow_alias       = "challenger"
  shadow_stream      = true
  output_aggregation = "kpl"

  batch_size             = var.batch_size
  batch_window_seconds   = 1
  parallelization_factor = 2
  retry_attempts         = 100
  record_age_seconds     = 86400
  enhanced_fan_out       = var.enhanced_fan_out
  failure_queue          = true

  alarm_emails     = ["on-call@example.com"]
  alarm_thresholds = { iterator_age_seconds = 30, reject_share = 0.02 }
}

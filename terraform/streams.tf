locals {
  # Built from the name, so that what only mentions a stream need not wait until it stands.
  events_stream      = "${var.name}-events"
  predictions_stream = "${var.name}-predictions"
}

resource "aws_kinesis_stream" "this" {
  for_each = toset([local.events_stream, local.predictions_stream])

  name             = each.key
  shard_count      = var.shards
  encryption_type  = var.encrypt_streams ? "KMS" : "NONE"
  kms_key_id       = var.encrypt_streams ? "alias/aws/kinesis" : null
  retention_period = 24
}

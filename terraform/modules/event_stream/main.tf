# A Kinesis stream. It needs no policy to refuse plain HTTP: Kinesis answers by TLS alone.
# https://docs.aws.amazon.com/general/latest/gr/ak.html
resource "aws_kinesis_stream" "this" {
  name                = var.name
  shard_count         = var.shards
  retention_period    = var.retention_hours
  shard_level_metrics = var.shard_metrics
  encryption_type     = var.kms_key == null ? "NONE" : "KMS"
  kms_key_id          = var.kms_key
  tags                = var.tags

  # A stream that enhanced fan-out reads from is deleted with its consumers: Terraform knows them.
  enforce_consumer_deletion = true

  stream_mode_details {
    stream_mode = var.shards == null ? "ON_DEMAND" : "PROVISIONED"
  }
}

# Enhanced fan-out: 2 MiB a second of each shard for this consumer alone.
resource "aws_kinesis_stream_consumer" "this" {
  for_each = var.consumers

  name       = each.key
  stream_arn = aws_kinesis_stream.this.arn
}

# What each argument of a stream becomes, and which are refused.
mock_provider "aws" {}

variables {
  name = "rides"
}

run "defaults" {
  command = plan

  module {
    source = "./modules/event_stream"
  }

  assert {
    condition     = aws_kinesis_stream.this.name == "rides" && output.name == "rides"
    error_message = "The stream has the name that it is given, and tells it."
  }

  assert {
    condition     = aws_kinesis_stream.this.stream_mode_details[0].stream_mode == "PROVISIONED" && aws_kinesis_stream.this.shard_count == 1
    error_message = "One shard."
  }

  assert {
    condition     = aws_kinesis_stream.this.retention_period == 24
    error_message = "A day, which costs nothing more."
  }

  assert {
    condition     = aws_kinesis_stream.this.encryption_type == "KMS" && aws_kinesis_stream.this.kms_key_id == "alias/aws/kinesis"
    error_message = "Encrypted with the key that AWS keeps."
  }

  assert {
    condition     = aws_kinesis_stream.this.enforce_consumer_deletion
    error_message = "A stream goes with its consumers."
  }

  assert {
    condition     = length(aws_kinesis_stream_consumer.this) == 0 && output.consumer_arns == {} && length(aws_kinesis_stream.this.shard_level_metrics) == 0 && length(aws_kinesis_stream.this.tags) == 0
    error_message = "No consumers, no metrics by the shard, no tags: what has a price is asked for."
  }
}

run "without_shards_and_key" {
  command = plan

  module {
    source = "./modules/event_stream"
  }

  variables {
    shards  = null
    kms_key = null
  }

  assert {
    condition     = aws_kinesis_stream.this.stream_mode_details[0].stream_mode == "ON_DEMAND" && aws_kinesis_stream.this.shard_count == null
    error_message = "On demand, and no number beside it, which Kinesis refuses."
  }

  assert {
    condition     = aws_kinesis_stream.this.encryption_type == "NONE" && aws_kinesis_stream.this.kms_key_id == null
    error_message = "Not encrypted."
  }
}

run "everything_set" {
  command = plan

  module {
    source = "./modules/event_stream"
  }

  variables {
    name            = format("%0128d", 0)
    shards          = 2
    retention_hours = 8760
    kms_key         = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    shard_metrics   = ["IncomingBytes", "IteratorAgeMilliseconds"]
    consumers       = ["scoring", "audit.2"]
    tags            = { team = "rides" }
  }

  assert {
    condition     = aws_kinesis_stream.this.stream_mode_details[0].stream_mode == "PROVISIONED" && aws_kinesis_stream.this.shard_count == 2
    error_message = "Two shards."
  }

  assert {
    condition     = aws_kinesis_stream.this.retention_period == 8760
    error_message = "A year."
  }

  assert {
    condition     = aws_kinesis_stream.this.encryption_type == "KMS" && aws_kinesis_stream.this.kms_key_id == "arn:aws:kms:eu-west-1:123456789012:key/mine"
    error_message = "Encrypted with the key that is named."
  }

  assert {
    condition     = aws_kinesis_stream.this.shard_level_metrics == toset(["IncomingBytes", "IteratorAgeMilliseconds"])
    error_message = "Metrics by the shard."
  }

  assert {
    condition     = [for consumer in aws_kinesis_stream_consumer.this : consumer.name] == ["audit.2", "scoring"] && keys(output.consumer_arns) == ["audit.2", "scoring"]
    error_message = "Its consumers, told by their names."
  }

  assert {
    condition     = aws_kinesis_stream.this.tags == tomap({ team = "rides" })
    error_message = "Tags."
  }
}

# Each variable that expect_failures names has to be refused, not only one of them.
run "too_little" {
  command = plan

  module {
    source = "./modules/event_stream"
  }

  variables {
    name            = ""
    shards          = 0
    retention_hours = 23
    kms_key         = "mykey"
    shard_metrics   = ["IncomingRides"]
    consumers       = [""]
  }

  expect_failures = [var.name, var.shards, var.retention_hours, var.kms_key, var.shard_metrics, var.consumers]
}

run "too_much" {
  command = plan

  module {
    source = "./modules/event_stream"
  }

  variables {
    name            = format("%0129d", 0)
    retention_hours = 8761
    kms_key         = "alias/mine"
    shard_metrics   = ["IncomingBytes", "ALL"]
    consumers       = [for number in range(21) : "consumer-${number}"]
  }

  expect_failures = [var.name, var.retention_hours, var.kms_key, var.shard_metrics, var.consumers]
}

run "of_the_wrong_kind" {
  command = plan

  module {
    source = "./modules/event_stream"
  }

  variables {
    name            = "ride events"
    shards          = 1.5
    retention_hours = 24.5
    consumers       = ["fan out"]
  }

  expect_failures = [var.name, var.shards, var.retention_hours, var.consumers]
}

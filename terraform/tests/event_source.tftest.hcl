# What each argument of the mapping becomes, and which are refused.
mock_provider "aws" {}

variables {
  stream_arn              = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides"
  function_arn            = "arn:aws:lambda:eu-west-1:123456789012:function:scoring:live"
  failure_destination_arn = "arn:aws:s3:::set-aside"
}

run "defaults" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.event_source_arn == var.stream_arn && aws_lambda_event_source_mapping.this.function_name == var.function_arn && aws_lambda_event_source_mapping.this.enabled
    error_message = "The function reads the stream."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.starting_position == "TRIM_HORIZON" && aws_lambda_event_source_mapping.this.starting_position_timestamp == null
    error_message = "From its oldest record on."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.batch_size == 500 && aws_lambda_event_source_mapping.this.maximum_batching_window_in_seconds == 0 && aws_lambda_event_source_mapping.this.parallelization_factor == 1 && aws_lambda_event_source_mapping.this.tumbling_window_in_seconds == 0
    error_message = "Up to 500 rides, at once, one batch of a shard at a time, no window of state."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.maximum_retry_attempts == 10000 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 21600
    error_message = "Retries are bounded, by the record's age first."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.bisect_batch_on_function_error && aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "A batch is halved, and the function says where it stopped."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::set-aside"
    error_message = "What is given up is set aside."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.metrics_config[0].metrics == toset(["EventCount"])
    error_message = "What is dropped or set aside is counted."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this.filter_criteria) == 0 && aws_lambda_event_source_mapping.this.kms_key_arn == null && length(aws_lambda_event_source_mapping.this.tags) == 0
    error_message = "Nothing is filtered."
  }
}

run "everything_set" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    consumer_arn                = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides/consumer/scoring:1"
    enabled                     = false
    starting_position           = "AT_TIMESTAMP"
    starting_position_timestamp = "2026-01-31T00:00:00Z"
    batch_size                  = 10000
    batch_window_seconds        = 300
    parallelization_factor      = 10
    tumbling_window_seconds     = 900
    bisect                      = false
    retry_attempts              = 0
    record_age_seconds          = 604800
    filter_patterns             = ["{\"partitionKey\": [\"1\"]}", "{\"partitionKey\": [\"2\"]}"]
    kms_key_arn                 = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    failure_destination_arn     = "arn:aws:sqs:eu-west-1:123456789012:failures"
    tags                        = { team = "rides" }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.event_source_arn == var.consumer_arn && !aws_lambda_event_source_mapping.this.enabled
    error_message = "The consumer is read in the stream's place, once enabled."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.starting_position == "AT_TIMESTAMP" && aws_lambda_event_source_mapping.this.starting_position_timestamp == "2026-01-31T00:00:00Z"
    error_message = "From a time on."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.batch_size == 10000 && aws_lambda_event_source_mapping.this.maximum_batching_window_in_seconds == 300 && aws_lambda_event_source_mapping.this.parallelization_factor == 10 && aws_lambda_event_source_mapping.this.tumbling_window_in_seconds == 900
    error_message = "The most that Lambda takes of each."
  }

  assert {
    condition     = !aws_lambda_event_source_mapping.this.bisect_batch_on_function_error && aws_lambda_event_source_mapping.this.maximum_retry_attempts == 0 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 604800
    error_message = "No halving, no retry, a week's age."
  }

  assert {
    condition     = sort([for filter in aws_lambda_event_source_mapping.this.filter_criteria[0].filter : filter.pattern]) == tolist(["{\"partitionKey\": [\"1\"]}", "{\"partitionKey\": [\"2\"]}"]) && aws_lambda_event_source_mapping.this.kms_key_arn == "arn:aws:kms:eu-west-1:123456789012:key/mine"
    error_message = "The patterns, and the key that encrypts them."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:sqs:eu-west-1:123456789012:failures" && aws_lambda_event_source_mapping.this.tags == tomap({ team = "rides" })
    error_message = "The queue is told, and there are tags."
  }
}

run "the_least_of_each" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    starting_position       = "LATEST"
    batch_size              = 1
    record_age_seconds      = 60
    kms_key_arn             = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    failure_destination_arn = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:failures"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.starting_position == "LATEST" && aws_lambda_event_source_mapping.this.batch_size == 1 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 60
    error_message = "The least that Lambda takes of each."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.kms_key_arn == null
    error_message = "A key without patterns to encrypt would be refused by Lambda."
  }
}

# Each variable that expect_failures names has to be refused, not only one of them.
run "too_little" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    batch_size              = 0
    batch_window_seconds    = -1
    parallelization_factor  = 0
    tumbling_window_seconds = -1
    retry_attempts          = -1
    record_age_seconds      = 59
    filter_patterns         = [for number in range(11) : "{}"]
  }

  expect_failures = [
    var.batch_size, var.batch_window_seconds, var.parallelization_factor, var.tumbling_window_seconds,
    var.retry_attempts, var.record_age_seconds, var.filter_patterns,
  ]
}

run "too_much" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    batch_size              = 10001
    batch_window_seconds    = 301
    parallelization_factor  = 11
    tumbling_window_seconds = 901
    retry_attempts          = 10001
    record_age_seconds      = 604801
    filter_patterns         = [jsonencode({ partitionKey = [format("%04096d", 0)] })]
  }

  expect_failures = [
    var.batch_size, var.batch_window_seconds, var.parallelization_factor, var.tumbling_window_seconds,
    var.retry_attempts, var.record_age_seconds, var.filter_patterns,
  ]
}

run "fractions" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    batch_size              = 1.5
    batch_window_seconds    = 0.5
    parallelization_factor  = 1.5
    tumbling_window_seconds = 0.5
    retry_attempts          = 0.5
    record_age_seconds      = 60.5
    filter_patterns         = ["[]"]
  }

  expect_failures = [
    var.batch_size, var.batch_window_seconds, var.parallelization_factor, var.tumbling_window_seconds,
    var.retry_attempts, var.record_age_seconds, var.filter_patterns,
  ]
}

run "of_another_service" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    stream_arn              = "rides"
    consumer_arn            = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides"
    function_arn            = "scoring"
    failure_destination_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/failures"
    kms_key_arn             = "alias/mine"
    filter_patterns         = ["partitionKey = 1"]
    starting_position       = "OLDEST"
  }

  expect_failures = [
    var.stream_arn, var.consumer_arn, var.function_arn, var.failure_destination_arn, var.kms_key_arn,
    var.filter_patterns, var.starting_position,
  ]
}

run "at_a_timestamp_without_one" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    starting_position = "AT_TIMESTAMP"
  }

  expect_failures = [var.starting_position_timestamp]
}

run "a_timestamp_that_is_of_no_use" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    starting_position_timestamp = "2026-01-31T00:00:00Z"
  }

  expect_failures = [var.starting_position_timestamp]
}

run "a_timestamp_that_is_none" {
  command = plan

  module {
    source = "./modules/event_source"
  }

  variables {
    starting_position           = "AT_TIMESTAMP"
    starting_position_timestamp = "yesterday"
  }

  expect_failures = [var.starting_position_timestamp]
}

# What reads a stream and calls the function: every argument that Kinesis mappings have.
# https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn = coalesce(var.consumer_arn, var.stream_arn)
  function_name    = var.function_arn
  enabled          = var.enabled
  tags             = var.tags

  # What was sent before the mapping stood is scored too. LATEST would lose it without a word.
  starting_position           = var.starting_position
  starting_position_timestamp = var.starting_position_timestamp

  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batch_window_seconds
  parallelization_factor             = var.parallelization_factor
  tumbling_window_in_seconds         = var.tumbling_window_seconds

  # Lambda retries for ever unless told otherwise, and one batch would hold its shard until it expires.
  maximum_retry_attempts        = var.retry_attempts
  maximum_record_age_in_seconds = var.record_age_seconds

  # A record that kills the function is found in log2(batch) steps, and halving costs no retry.
  bisect_batch_on_function_error = var.bisect
  # The function names the first record that is not done, and the retry starts there.
  function_response_types = ["ReportBatchItemFailures"]

  # A filter drops records without a trace, so there is none unless asked for.
  dynamic "filter_criteria" {
    for_each = length(var.filter_patterns) > 0 ? [var.filter_patterns] : []

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = filter.value
        }
      }
    }
  }
  kms_key_arn = length(var.filter_patterns) > 0 ? var.kms_key_arn : null

  # S3 is given the whole records; a queue or a topic only where they are in the stream.
  destination_config {
    on_failure {
      destination_arn = var.failure_destination_arn
    }
  }

  # How many records were dropped or set aside: nothing else tells.
  metrics_config {
    metrics = ["EventCount"]
  }
}

locals {
  package        = coalesce(var.package, "../build/function-${var.architecture}.zip")
  package_exists = fileexists(local.package)
  package_sha256 = local.package_exists ? filesha256(local.package) : "missing"
}

# A package over 50 MB reaches Lambda only by way of S3. Its key is its digest, so another package
# never hides behind a name that Lambda has read already.
resource "aws_s3_object" "package" {
  bucket = aws_s3_bucket.models.id
  key    = "packages/${local.package_sha256}.zip"
  source = local.package

  lifecycle {
    precondition {
      condition     = local.package_exists
      error_message = "The function's package ${local.package} is not there: run `make package`, then apply again."
    }
  }
}

resource "aws_lambda_function" "scoring" {
  function_name = "${var.name}-scoring"
  description   = "Scores ride events with the model that an alias names."
  role          = aws_iam_role.scoring.arn

  s3_bucket        = aws_s3_object.package.bucket
  s3_key           = aws_s3_object.package.key
  source_code_hash = local.package_exists ? filebase64sha256(local.package) : null
  runtime          = "python3.13"
  architectures    = [var.architecture]
  handler          = "ride_scoring.handler.handler"
  memory_size      = var.memory_mb
  timeout          = var.timeout_seconds
  publish          = true

  environment {
    variables = {
      MODEL_BUCKET            = aws_s3_bucket.models.id
      MODEL_NAME              = var.model_name
      MODEL_ALIAS             = var.model_alias
      MODEL_REFRESH_SECONDS   = var.model_refresh_seconds
      SHADOW_ALIAS            = var.shadow_alias
      PREDICTIONS_STREAM_NAME = local.predictions_stream
      OUTPUT_AGGREGATION      = var.output_aggregation
      REJECTS_BUCKET          = aws_s3_bucket.rejects.id
      # Threads of linear algebra cost start-up, and have one core to share.
      OPENBLAS_NUM_THREADS = 1
      # Bytes. What a batch takes is kept for the next one, and not asked of the system anew.
      MALLOC_MMAP_THRESHOLD_ = 33554432
      MALLOC_TRIM_THRESHOLD_ = 67108864
    }
  }

  depends_on = [aws_cloudwatch_log_group.scoring] # or Lambda makes one that keeps logs for ever
}

# The mapping is on the alias, so that a new version takes over when the alias moves, not before.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that scores."
  function_name    = aws_lambda_function.scoring.function_name
  function_version = aws_lambda_function.scoring.version
}

resource "aws_cloudwatch_log_group" "scoring" {
  name              = "/aws/lambda/${var.name}-scoring"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_event_source_mapping" "events" {
  event_source_arn  = aws_kinesis_stream.this[local.events_stream].arn
  function_name     = aws_lambda_alias.live.arn
  starting_position = "TRIM_HORIZON" # what was sent before the mapping stood is scored too

  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batch_window_seconds
  maximum_retry_attempts             = var.retry_attempts
  maximum_record_age_in_seconds      = var.record_age_seconds
  bisect_batch_on_function_error     = true # a record that kills the function is found in log2(batch) steps
  function_response_types            = ["ReportBatchItemFailures"]

  destination_config {
    on_failure {
      destination_arn = aws_s3_bucket.rejects.arn # S3, as it alone is given the whole records
    }
  }

  depends_on = [aws_iam_role_policy.scoring] # Lambda checks that the role may read the stream
}

# What each argument of the function becomes, and which are refused.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name           = "ride-scoring"
  package        = { path = "tests/fixtures/package.zip" }
  package_bucket = "store"
  model = {
    bucket          = "store"
    bucket_arn      = "arn:aws:s3:::store"
    name            = "ride-duration"
    alias           = "champion"
    refresh_seconds = 30
  }
  events_stream      = { arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides" }
  predictions_stream = { name = "predictions", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/predictions" }
  rejects_bucket     = { name = "set-aside", arn = "arn:aws:s3:::set-aside" }
}

run "defaults" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "ride-scoring" && output.name == "ride-scoring" && aws_iam_role.this.name == "ride-scoring" && aws_cloudwatch_log_group.this.name == "/aws/lambda/ride-scoring" && output.log_group == "/aws/lambda/ride-scoring" && output.service == "ride-scoring"
    error_message = "Function, role, log and metrics have the name."
  }

  assert {
    condition     = aws_lambda_function.this.package_type == "Zip" && aws_lambda_function.this.runtime == "python3.13" && aws_lambda_function.this.handler == "ride_scoring.handler.handler" && aws_lambda_function.this.image_uri == null && aws_lambda_function.this.source_code_hash == filebase64sha256("tests/fixtures/package.zip")
    error_message = "A zip, and where its code starts."
  }

  assert {
    condition     = output.package_sha256 == filesha256("tests/fixtures/package.zip")
    error_message = "The zip's digest is told."
  }

  assert {
    condition     = aws_s3_object.package[0].bucket == "store" && aws_s3_object.package[0].source == "tests/fixtures/package.zip" && aws_s3_object.package[0].key == "packages/${filesha256("tests/fixtures/package.zip")}.zip" && aws_lambda_function.this.s3_bucket == "store" && aws_lambda_function.this.s3_key == aws_s3_object.package[0].key
    error_message = "The zip goes by way of the bucket, under its digest."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["x86_64"]) && aws_lambda_function.this.memory_size == 1024 && aws_lambda_function.this.timeout == 60 && aws_lambda_function.this.ephemeral_storage[0].size == 512
    error_message = "Its size."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1 && length(aws_lambda_provisioned_concurrency_config.live) == 0 && length(aws_lambda_function.this.snap_start) == 0
    error_message = "Nothing is reserved, kept warm or started from a snapshot."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough" && aws_lambda_function.this.kms_key_arn == null && aws_cloudwatch_log_group.this.kms_key_id == null && aws_cloudwatch_log_group.this.retention_in_days == 14
    error_message = "No traces, AWS's keys, a log of two weeks."
  }

  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_format == "JSON" && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/ride-scoring" && aws_lambda_function.this.publish
    error_message = "Structured logs, and a version that an alias can go back to."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      POWERTOOLS_SERVICE_NAME = "ride-scoring"
      MODEL_BUCKET            = "store"
      MODEL_NAME              = "ride-duration"
      MODEL_ALIAS             = "champion"
      MODEL_REFRESH_SECONDS   = "30"
      PREDICTIONS_STREAM_NAME = "predictions"
      OUTPUT_AGGREGATION      = "none"
      REJECTS_BUCKET          = "set-aside"
      TRACING                 = "false"
      OPENBLAS_NUM_THREADS    = "1"
      MALLOC_MMAP_THRESHOLD_  = "33554432"
      MALLOC_TRIM_THRESHOLD_  = "67108864"
    })
    error_message = "The function is told this, and no more."
  }

  assert {
    condition     = aws_lambda_alias.live.name == "live" && output.alias.name == "live" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "One version serves, by an alias."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.this.statement : statement.sid] == ["ReadEvents", "WritePredictions", "ReadModel", "WriteRejects", "WriteFailures", "FindFailuresBucket", "WriteLog"]
    error_message = "The role may do this, and no more."
  }

  assert {
    condition = { for statement in data.aws_iam_policy_document.this.statement : statement.sid => statement.resources if statement.sid != "WriteLog" } == {
      ReadEvents         = toset(["arn:aws:kinesis:eu-west-1:123456789012:stream/rides"])
      WritePredictions   = toset(["arn:aws:kinesis:eu-west-1:123456789012:stream/predictions"])
      ReadModel          = toset(["arn:aws:s3:::store/models/ride-duration/*"])
      WriteRejects       = toset(["arn:aws:s3:::set-aside/rejects/*"])
      WriteFailures      = toset(["arn:aws:s3:::set-aside/aws/lambda/*"])
      FindFailuresBucket = toset(["arn:aws:s3:::set-aside"])
    }
    error_message = "Each on what it is about."
  }

  assert {
    condition     = one(one(data.aws_iam_policy_document.lambda_assumes.statement).principals).identifiers == toset(["lambda.amazonaws.com"])
    error_message = "Lambda alone has the role."
  }
}

run "everything_set" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    package                 = { path = "tests/fixtures/package.zip", sources_sha256 = "digest-of-the-sources-it-was-built-from" }
    architecture            = "arm64"
    memory_mb               = 10240
    timeout_seconds         = 900
    ephemeral_storage_mb    = 10240
    reserved_concurrency    = 4
    provisioned_concurrency = 4
    tracing                 = true
    log_retention_days      = 3653
    kms_key_arn             = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    former_kms_key_arns     = ["arn:aws:kms:eu-west-1:123456789012:key/former"]
    output_aggregation      = "kpl"
    events_stream           = { arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides", consumer_arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/rides/consumer/scoring:1" }
    shadow_stream           = { name = "shadow", arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/shadow" }
    failure_queue_arn       = "arn:aws:sqs:eu-west-1:123456789012:failures"
    tags                    = { team = "rides" }
    model = {
      bucket          = "store"
      bucket_arn      = "arn:aws:s3:::store"
      name            = "ride-duration"
      alias           = "stable"
      refresh_seconds = 86400
      shadow_alias    = "challenger"
    }
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.memory_size == 10240 && aws_lambda_function.this.timeout == 900 && aws_lambda_function.this.ephemeral_storage[0].size == 10240
    error_message = "The most that Lambda takes of each."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 4 && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 4 && aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live"
    error_message = "Four batches at once, all four kept warm behind the alias."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active" && aws_cloudwatch_log_group.this.retention_in_days == 3653
    error_message = "Traces, and ten years of log."
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == "arn:aws:kms:eu-west-1:123456789012:key/mine" && aws_cloudwatch_log_group.this.kms_key_id == "arn:aws:kms:eu-west-1:123456789012:key/mine"
    error_message = "The key that is named encrypts environment and log."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      POWERTOOLS_SERVICE_NAME = "ride-scoring"
      MODEL_BUCKET            = "store"
      MODEL_NAME              = "ride-duration"
      MODEL_ALIAS             = "stable"
      MODEL_REFRESH_SECONDS   = "86400"
      PREDICTIONS_STREAM_NAME = "predictions"
      OUTPUT_AGGREGATION      = "kpl"
      REJECTS_BUCKET          = "set-aside"
      TRACING                 = "true"
      OPENBLAS_NUM_THREADS    = "1"
      MALLOC_MMAP_THRESHOLD_  = "33554432"
      MALLOC_TRIM_THRESHOLD_  = "67108864"
      SHADOW_ALIAS            = "challenger"
      SHADOW_STREAM_NAME      = "shadow"
    })
    error_message = "The function is told this, and no more."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.this.statement : statement.sid] == ["ReadEvents", "SubscribeToEvents", "WritePredictions", "ReadModel", "WriteRejects", "TellFailures", "WriteLog", "WriteTraces", "UseKey", "UseFormerKeys"]
    error_message = "The role may do what the choices ask for, and tells the queue in place of the bucket."
  }

  assert {
    condition = { for statement in data.aws_iam_policy_document.this.statement : statement.sid => statement.resources if contains(["SubscribeToEvents", "WritePredictions", "TellFailures", "WriteTraces", "UseKey"], statement.sid) } == {
      SubscribeToEvents = toset(["arn:aws:kinesis:eu-west-1:123456789012:stream/rides/consumer/scoring:1"])
      WritePredictions  = toset(["arn:aws:kinesis:eu-west-1:123456789012:stream/predictions", "arn:aws:kinesis:eu-west-1:123456789012:stream/shadow"])
      TellFailures      = toset(["arn:aws:sqs:eu-west-1:123456789012:failures"])
      WriteTraces       = toset(["*"])
      UseKey            = toset(["arn:aws:kms:eu-west-1:123456789012:key/mine"])
    }
    error_message = "Each on what it is about, both streams of predictions included."
  }

  assert {
    condition     = one([for statement in data.aws_iam_policy_document.this.statement : "${one(statement.condition).variable} ${join(" ", one(statement.condition).values)}" if statement.sid == "UseKey"]) == "kms:ViaService kinesis.eu-west-1.amazonaws.com s3.eu-west-1.amazonaws.com sqs.eu-west-1.amazonaws.com"
    error_message = "The key by way of these services alone."
  }

  assert {
    condition     = alltrue([for tags in [aws_lambda_function.this.tags, aws_s3_object.package[0].tags, aws_cloudwatch_log_group.this.tags, aws_iam_role.this.tags] : tags == tomap({ team = "rides" })])
    error_message = "Tags of all that takes them."
  }
}

run "an_image" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    package   = null
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ride-scoring@sha256:${sha256("image")}"
  }

  assert {
    condition     = aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.image_uri == var.image_uri && output.package_sha256 == null
    error_message = "The image, by its digest."
  }

  assert {
    condition     = aws_lambda_function.this.runtime == null && aws_lambda_function.this.handler == null && aws_lambda_function.this.s3_bucket == null && aws_lambda_function.this.s3_key == null && length(aws_s3_object.package) == 0
    error_message = "Nothing that belongs to a zip."
  }
}

run "the_least_of_each" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    memory_mb            = 128
    timeout_seconds      = 10
    reserved_concurrency = 1
    snap_start           = true
    log_retention_days   = 1
    canary               = { stable_version = "7", weight = 0 }
  }

  assert {
    condition     = aws_lambda_function.this.memory_size == 128 && aws_lambda_function.this.timeout == 10 && aws_lambda_function.this.reserved_concurrent_executions == 1 && aws_cloudwatch_log_group.this.retention_in_days == 1
    error_message = "The least that Lambda takes of each."
  }

  assert {
    condition     = aws_lambda_function.this.snap_start[0].apply_on == "PublishedVersions"
    error_message = "Versions start from a snapshot."
  }

  assert {
    condition     = aws_lambda_function.this.timeouts.create == "20m" && aws_lambda_function.this.timeouts.update == "20m"
    error_message = "A snapshot takes minutes to be ready, and more than the provider waits by itself."
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && output.live_version == "7" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "Back to the version before: it serves alone."
  }
}

# The newest version, and what it gets, are known once it stands: scoring_function_applied.
run "a_canary" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    canary = { stable_version = "7", weight = 0.1 }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && length(aws_lambda_alias.live.routing_config) == 1
    error_message = "The version before goes on serving, with another beside it."
  }
}

run "no_package_that_is_there" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    package = { path = "tests/fixtures/nowhere.zip" }
  }

  expect_failures = [aws_s3_object.package]
}

run "neither_package_nor_image" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    package = null
  }

  expect_failures = [aws_s3_object.package]
}

run "a_package_older_than_its_sources" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    package = { path = "tests/fixtures/package.zip", sources_sha256 = "digest-of-what-the-sources-are-now" }
  }

  expect_failures = [aws_s3_object.package]
}

# Each variable that expect_failures names has to be refused, not only one of them.
run "too_little" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    name                 = ""
    memory_mb            = 127
    timeout_seconds      = 9
    ephemeral_storage_mb = 511
    reserved_concurrency = 0
    log_retention_days   = 13
    canary               = { stable_version = "7", weight = -0.1 }
    model                = { bucket = "store", bucket_arn = "arn:aws:s3:::store", name = "ride-duration", alias = "", refresh_seconds = 30 }
  }

  expect_failures = [
    var.name, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb, var.reserved_concurrency,
    var.log_retention_days, var.canary, var.model,
  ]
}

run "too_much" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    name                    = format("%065d", 0)
    memory_mb               = 10241
    timeout_seconds         = 901
    ephemeral_storage_mb    = 10241
    provisioned_concurrency = -1
    log_retention_days      = 0
    canary                  = { stable_version = "7", weight = 1.1 }
    model                   = { bucket = "store", bucket_arn = "arn:aws:s3:::store", name = "ride-duration", alias = "champion", refresh_seconds = 86401 }
  }

  expect_failures = [
    var.name, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb, var.provisioned_concurrency,
    var.log_retention_days, var.canary, var.model,
  ]
}

run "fractions_and_other_kinds" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    name                 = "ride scoring"
    memory_mb            = 128.5
    timeout_seconds      = 10.5
    ephemeral_storage_mb = 512.5
    reserved_concurrency = 1.5
    architecture         = "arm"
    output_aggregation   = "gzip"
    canary               = { stable_version = "latest", weight = 0.1 }
    model                = { bucket = "store", bucket_arn = "arn:aws:s3:::store", name = "ride-duration", alias = "champion", refresh_seconds = -1 }
  }

  expect_failures = [
    var.name, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb, var.reserved_concurrency,
    var.architecture, var.output_aggregation, var.canary, var.model,
  ]
}

run "of_another_service" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    provisioned_concurrency = 0.5
    image_uri               = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ride-scoring:latest"
    kms_key_arn             = "alias/mine"
    events_stream           = { arn = "rides" }
    predictions_stream      = { name = "predictions", arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/predictions" }
    shadow_stream           = { name = "shadow", arn = "shadow" }
    rejects_bucket          = { name = "set-aside", arn = "set-aside" }
    failure_queue_arn       = "arn:aws:sns:eu-west-1:123456789012:failures"
    model                   = { bucket = "store", bucket_arn = "arn:aws:s3:::store", name = "ride-duration", alias = "champion", refresh_seconds = 30, shadow_alias = "../other" }
  }

  expect_failures = [
    var.image_uri, var.kms_key_arn, var.events_stream, var.predictions_stream, var.shadow_stream,
    var.rejects_bucket, var.failure_queue_arn, var.model, var.provisioned_concurrency,
  ]
}

run "a_shadow_that_is_the_model" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    model = { bucket = "store", bucket_arn = "arn:aws:s3:::store", name = "ride-duration", alias = "champion", refresh_seconds = 30, shadow_alias = "champion" }
  }

  expect_failures = [var.model]
}

run "more_kept_warm_than_reserved" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    reserved_concurrency    = 4
    provisioned_concurrency = 5
  }

  expect_failures = [var.provisioned_concurrency]
}

run "a_snapshot_of_an_image" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    snap_start = true
    image_uri  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ride-scoring@sha256:${sha256("image")}"
  }

  expect_failures = [var.snap_start]
}

run "a_snapshot_that_is_kept_warm" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    snap_start              = true
    provisioned_concurrency = 1
  }

  expect_failures = [var.snap_start]
}

run "a_snapshot_with_much_storage" {
  command = plan

  module {
    source = "./modules/scoring_function"
  }

  variables {
    snap_start           = true
    ephemeral_storage_mb = 513
  }

  expect_failures = [var.snap_start]
}

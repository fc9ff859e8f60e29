# What is told once all of it stands: as good as applied, with a mock in AWS's place.
mock_provider "aws" {
  source = "./tests/mocks"

  mock_resource "aws_lambda_function" {
    defaults = { version = "8" }
  }
}

variables {
  package          = "tests/fixtures/package.zip"
  shadow_alias     = "challenger"
  shadow_stream    = true
  enhanced_fan_out = true
  failure_queue    = true
  canary           = { stable_version = "7", weight = 0.1 }
}

run "outputs" {
  assert {
    condition     = output.environment == <<-EOT
      export EVENTS_STREAM_NAME=ride-events
      export PREDICTIONS_STREAM_NAME=ride-predictions
      export MODEL_BUCKET=${output.model_bucket}
      export REJECTS_BUCKET=${output.rejects_bucket}
      export MODEL_NAME=ride-duration
      export MODEL_ALIAS=champion
      export SHADOW_ALIAS=challenger
      export ENHANCED_FAN_OUT=true
      export RECORD_AGE_SECONDS=21600
      export FUNCTION_NAME=ride-scoring
    EOT
    error_message = "What the simulator and the publisher read."
  }

  assert {
    condition     = output.model_bucket == module.models_bucket.name && output.rejects_bucket == module.rejects_bucket.name && output.model_bucket != output.rejects_bucket
    error_message = "Each bucket is told as what it is."
  }

  assert {
    condition     = output.function_version == "7" && output.newest_function_version == "8"
    error_message = "Both versions, the one that serves first."
  }

  assert {
    condition     = output.policy_arns == { for name, policy in aws_iam_policy.around : name => policy.arn } && output.alarm_topic_arn == "arn:aws:sns:eu-west-1:123456789012:alarms"
    error_message = "Policies and topic."
  }

  assert {
    condition     = length([for name in module.observability.alarms : name if startswith(name, "ride-canary-")]) == 3
    error_message = "The version that is tried has its alarms."
  }
}

run "all_that_scoring_is_told_and_may_do" {
  variables {
    model_alias           = "stable"
    model_refresh_seconds = 86400
    output_aggregation    = "kpl"
    kms_key_arn           = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    former_kms_key_arns   = ["arn:aws:kms:eu-west-1:123456789012:key/former"]
  }

  assert {
    condition = { for name, value in local.scoring_environment : name => tostring(value) } == {
      MODEL_BUCKET            = output.model_bucket
      MODEL_NAME              = "ride-duration"
      MODEL_ALIAS             = "stable"
      MODEL_REFRESH_SECONDS   = "86400"
      PREDICTIONS_STREAM_NAME = "ride-predictions"
      OUTPUT_AGGREGATION      = "kpl"
      REJECTS_BUCKET          = output.rejects_bucket
      OPENBLAS_NUM_THREADS    = "1"
      MALLOC_MMAP_THRESHOLD_  = "33554432"
      MALLOC_TRIM_THRESHOLD_  = "67108864"
      SHADOW_ALIAS            = "challenger"
      SHADOW_STREAM_NAME      = "ride-shadow-predictions"
    }
    error_message = "The function is told this, and no more."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.scoring.statement : statement.sid] == ["ReadEvents", "SubscribeToEvents", "WritePredictions", "ReadModel", "WriteRejects", "TellFailures", "UseKey", "UseFormerKeys"]
    error_message = "The role may do what the choices ask for, and tells the queue in place of the bucket."
  }

  assert {
    condition = { for statement in data.aws_iam_policy_document.scoring.statement : statement.sid => statement.resources } == {
      ReadEvents        = toset([module.events_stream.arn])
      SubscribeToEvents = toset(values(module.events_stream.consumer_arns))
      WritePredictions  = toset([module.predictions_stream.arn, module.shadow_stream[0].arn])
      ReadModel         = toset(["${module.models_bucket.arn}/models/ride-duration/*"])
      WriteRejects      = toset(["${module.rejects_bucket.arn}/rejects/*"])
      TellFailures      = toset([aws_sqs_queue.failures[0].arn])
      UseKey            = toset(["arn:aws:kms:eu-west-1:123456789012:key/mine"])
      UseFormerKeys     = toset(["arn:aws:kms:eu-west-1:123456789012:key/former"])
    }
    error_message = "Each on what it is about, both streams of predictions included."
  }

  assert {
    condition     = one([for statement in data.aws_iam_policy_document.scoring.statement : "${one(statement.condition).variable} ${join(" ", one(statement.condition).values)}" if statement.sid == "UseKey"]) == "kms:ViaService kinesis.eu-west-1.amazonaws.com s3.eu-west-1.amazonaws.com sqs.eu-west-1.amazonaws.com"
    error_message = "The key by way of these services alone."
  }
}

run "the_least_that_scoring_is_told_and_may_do" {
  variables {
    shadow_alias     = ""
    shadow_stream    = false
    enhanced_fan_out = false
    failure_queue    = false
  }

  assert {
    condition = { for name, value in local.scoring_environment : name => tostring(value) } == {
      MODEL_BUCKET            = output.model_bucket
      MODEL_NAME              = "ride-duration"
      MODEL_ALIAS             = "champion"
      MODEL_REFRESH_SECONDS   = "30"
      PREDICTIONS_STREAM_NAME = "ride-predictions"
      OUTPUT_AGGREGATION      = "none"
      REJECTS_BUCKET          = output.rejects_bucket
      OPENBLAS_NUM_THREADS    = "1"
      MALLOC_MMAP_THRESHOLD_  = "33554432"
      MALLOC_TRIM_THRESHOLD_  = "67108864"
    }
    error_message = "No shadow unless asked for."
  }

  assert {
    condition = { for statement in data.aws_iam_policy_document.scoring.statement : statement.sid => statement.resources } == {
      ReadEvents         = toset([module.events_stream.arn])
      WritePredictions   = toset([module.predictions_stream.arn])
      ReadModel          = toset(["${module.models_bucket.arn}/models/ride-duration/*"])
      WriteRejects       = toset(["${module.rejects_bucket.arn}/rejects/*"])
      WriteFailures      = toset(["${module.rejects_bucket.arn}/aws/lambda/*"])
      FindFailuresBucket = toset([module.rejects_bucket.arn])
    }
    error_message = "The role may do this, and no more."
  }
}

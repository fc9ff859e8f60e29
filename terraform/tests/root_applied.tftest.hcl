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

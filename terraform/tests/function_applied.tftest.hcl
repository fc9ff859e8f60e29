# Which version serves: as good as applied, with a mock in AWS's place that published version 8.
mock_provider "aws" {
  source = "./tests/mocks"

  mock_resource "aws_lambda_function" {
    defaults = { version = "8" }
  }
}

variables {
  name           = "ride-scoring"
  package        = { path = "tests/fixtures/package.zip" }
  package_bucket = "store"
  description    = "Scores."
  handler        = "ride_scoring.handler.handler"
  environment    = { MODEL_BUCKET = "store" }
  policy         = { name = "scoring", json = "{}" }
}

run "the_newest_serves" {
  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "8" && output.live_version == "8" && output.newest_version == "8"
    error_message = "The version that was published last serves alone."
  }

  assert {
    condition     = aws_lambda_function.this.role == output.role_arn && aws_iam_role_policy.this.role == aws_iam_role.this.id
    error_message = "The function has the role, and the role its policy."
  }
}

run "a_tenth_tries_the_newest" {
  module {
    source = "./modules/function"
  }

  variables {
    canary = { stable_version = "7", weight = 0.1 }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && aws_lambda_alias.live.routing_config[0].additional_version_weights == tomap({ "8" = 0.1 })
    error_message = "Version 7 serves, and version 8 gets a tenth."
  }

  assert {
    condition     = output.live_version == "7" && output.newest_version == "8"
    error_message = "Both versions are told."
  }
}

run "the_newest_is_the_stable_one" {
  module {
    source = "./modules/function"
  }

  variables {
    canary = { stable_version = "8", weight = 0 }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "8" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "It serves alone: there is nothing to try."
  }
}

# Version 8 stands by now, so the plan knows that there is no other.
run "the_newest_tried_beside_itself" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    canary = { stable_version = "8", weight = 0.1 }
  }

  expect_failures = [aws_lambda_alias.live]
}

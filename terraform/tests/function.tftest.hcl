# What each argument of the function becomes, and which are refused.
mock_provider "aws" {
  source = "./tests/mocks"
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

run "defaults" {
  command = plan

  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "ride-scoring" && output.name == "ride-scoring" && aws_iam_role.this.name == "ride-scoring" && aws_cloudwatch_log_group.this.name == "/aws/lambda/ride-scoring" && output.log_group == "/aws/lambda/ride-scoring"
    error_message = "Function, role and log have the name."
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
      TRACING                 = "false"
      MODEL_BUCKET            = "store"
    })
    error_message = "The function is told this, and no more."
  }

  assert {
    condition     = aws_lambda_alias.live.name == "live" && output.alias.name == "live" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "One version serves, by an alias."
  }

  assert {
    condition     = data.aws_iam_policy_document.this.source_policy_documents == tolist(["{}"]) && aws_iam_role_policy.this.name == "scoring" && aws_lambda_function.this.description == "Scores."
    error_message = "The role may do what it is given."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.this.statement : statement.sid] == ["WriteLog"]
    error_message = "Beside that, it writes its log, and no more."
  }

  assert {
    condition     = one(one(data.aws_iam_policy_document.lambda_assumes.statement).principals).identifiers == toset(["lambda.amazonaws.com"])
    error_message = "Lambda alone has the role."
  }
}

run "everything_set" {
  command = plan

  module {
    source = "./modules/function"
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
    environment_variables   = { OF_THE_MODEL = "yes" }
    log_retention_days      = 3653
    kms_key_arn             = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    tags                    = { team = "rides" }
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
      TRACING                 = "true"
      MODEL_BUCKET            = "store"
      OF_THE_MODEL            = "yes"
    })
    error_message = "The function is told this, and no more."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.this.statement : statement.sid] == ["WriteLog", "WriteTraces"] && data.aws_iam_policy_document.this.statement[1].resources == toset(["*"])
    error_message = "The role may write traces too."
  }

  assert {
    condition     = alltrue([for tags in [aws_lambda_function.this.tags, aws_s3_object.package[0].tags, aws_cloudwatch_log_group.this.tags, aws_iam_role.this.tags] : tags == tomap({ team = "rides" })])
    error_message = "Tags of all that takes them."
  }
}

run "an_image" {
  command = plan

  module {
    source = "./modules/function"
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
    source = "./modules/function"
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

# The newest version, and what it gets, are known once it stands: function_applied.
run "a_canary" {
  command = plan

  module {
    source = "./modules/function"
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
    source = "./modules/function"
  }

  variables {
    package = { path = "tests/fixtures/nowhere.zip" }
  }

  expect_failures = [aws_s3_object.package]
}

run "neither_package_nor_image" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    package = null
  }

  expect_failures = [aws_s3_object.package]
}

run "a_package_older_than_its_sources" {
  command = plan

  module {
    source = "./modules/function"
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
    source = "./modules/function"
  }

  variables {
    name                 = ""
    memory_mb            = 127
    timeout_seconds      = 9
    ephemeral_storage_mb = 511
    reserved_concurrency = 0
    log_retention_days   = 13
    canary               = { stable_version = "7", weight = -0.1 }
  }

  expect_failures = [
    var.name, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb, var.reserved_concurrency,
    var.log_retention_days, var.canary,
  ]
}

run "too_much" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name                    = format("%065d", 0)
    memory_mb               = 10241
    timeout_seconds         = 901
    ephemeral_storage_mb    = 10241
    provisioned_concurrency = -1
    log_retention_days      = 0
    canary                  = { stable_version = "7", weight = 1.1 }
  }

  expect_failures = [
    var.name, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb, var.provisioned_concurrency,
    var.log_retention_days, var.canary,
  ]
}

run "fractions_and_other_kinds" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    name                 = "ride scoring"
    memory_mb            = 128.5
    timeout_seconds      = 10.5
    ephemeral_storage_mb = 512.5
    reserved_concurrency = 1.5
    architecture         = "arm"
    canary               = { stable_version = "latest", weight = 0.1 }
  }

  expect_failures = [
    var.name, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb, var.reserved_concurrency,
    var.architecture, var.canary,
  ]
}

run "of_another_service" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    provisioned_concurrency = 0.5
    image_uri               = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ride-scoring:latest"
    kms_key_arn             = "alias/mine"
  }

  expect_failures = [
    var.image_uri, var.kms_key_arn, var.provisioned_concurrency,
  ]
}

run "more_kept_warm_than_reserved" {
  command = plan

  module {
    source = "./modules/function"
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
    source = "./modules/function"
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
    source = "./modules/function"
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
    source = "./modules/function"
  }

  variables {
    snap_start           = true
    ephemeral_storage_mb = 513
  }

  expect_failures = [var.snap_start]
}

locals {
  zipped         = var.image_uri == null
  package        = local.zipped ? coalesce(try(var.package.path, null), "(no package)") : null
  package_exists = local.zipped ? try(fileexists(local.package), false) : false
  package_sha256 = local.package_exists ? filesha256(local.package) : "missing"

  # The packager writes down beside the zip what it was built from.
  built_from     = local.zipped ? try(trimspace(file("${local.package}.sources")), "unknown") : null
  package_is_old = try(var.package.sources_sha256, null) != null && try(var.package.sources_sha256, null) != local.built_from
}

# A package over 50 MB reaches Lambda only by way of S3. Its key is its digest, so another package
# never hides behind a name that Lambda has read already.
resource "aws_s3_object" "package" {
  # checkov:skip=CKV_AWS_186:Encrypted as its bucket is
  count  = local.zipped ? 1 : 0
  bucket = var.package_bucket
  key    = "packages/${local.package_sha256}.zip"
  source = local.package
  tags   = var.tags

  lifecycle {
    precondition {
      condition     = local.package_exists
      error_message = "The function's package ${local.package} does not exist: run `make package ARCH=${var.architecture}`, then apply again."
    }

    precondition {
      condition     = !local.package_exists || !local.package_is_old
      error_message = "The function's package ${local.package} is older than its sources: run `make package ARCH=${var.architecture}`, then apply again."
    }
  }
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116:A dead-letter queue is for asynchronous calls, and a stream's are synchronous: the mapping has its own
  # checkov:skip=CKV_AWS_117:It speaks to AWS alone, and a network of its own would put endpoints and their price between
  # checkov:skip=CKV_AWS_272:The package's digest is its key and in the plan; a signing profile is the account's to choose
  # checkov:skip=CKV_AWS_173:Its environment holds names, no secret; kms_key_arn encrypts them with another key than Lambda's
  # checkov:skip=CKV_AWS_115:A share of the account's concurrency is taken by choice: reserved_concurrency
  # checkov:skip=CKV_AWS_50:Tracing is by choice: it costs cold starts and a price
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  package_type     = local.zipped ? "Zip" : "Image"
  s3_bucket        = one(aws_s3_object.package[*].bucket)
  s3_key           = one(aws_s3_object.package[*].key)
  source_code_hash = local.package_exists ? filebase64sha256(local.package) : null
  runtime          = local.zipped ? "python3.13" : null
  handler          = local.zipped ? var.handler : null
  image_uri        = var.image_uri

  architectures                  = [var.architecture]
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  kms_key_arn                    = var.kms_key_arn
  publish                        = true # what an alias can go back to
  tags                           = var.tags

  environment {
    variables = merge({ POWERTOOLS_SERVICE_NAME = var.name, TRACING = var.tracing }, var.environment, var.environment_variables)
  }

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = "INFO"
    system_log_level      = "INFO"
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  # A version with a snapshot is ready minutes after it was published.
  timeouts {
    create = "20m"
    update = "20m"
  }

  dynamic "snap_start" {
    for_each = var.snap_start ? [true] : []

    content {
      apply_on = "PublishedVersions"
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:Holds no payload; encrypted with CloudWatch's own key unless kms_key_arn names another
  # checkov:skip=CKV_AWS_338:What counts of a batch is in metrics, kept for 15 months; its log line is for looking into
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# The mapping is on the alias, so that a new version takes over when the alias moves, not before.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that serves."
  function_name    = aws_lambda_function.this.function_name
  function_version = var.canary == null ? aws_lambda_function.this.version : var.canary.stable_version

  dynamic "routing_config" {
    for_each = try(var.canary.weight, 0) > 0 ? [var.canary.weight] : []

    content {
      additional_version_weights = { (aws_lambda_function.this.version) = routing_config.value }
    }
  }

  lifecycle {
    precondition {
      condition     = try(var.canary.stable_version, null) != aws_lambda_function.this.version || try(var.canary.weight, 0) == 0
      error_message = "canary.stable_version is the newest version, ${aws_lambda_function.this.version}, which cannot be tried beside itself: build a new package first, or leave canary out."
    }

    precondition {
      condition     = try(tonumber(var.canary.stable_version) <= tonumber(aws_lambda_function.this.version), true)
      error_message = "canary.stable_version is ${try(var.canary.stable_version, "none")}, and the newest version is ${aws_lambda_function.this.version}: name one that was published, as `terraform output function_version` does."
    }
  }
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

# The function that scores: what it is told, and what it may do. All else is the same for any function.
locals {
  scoring_environment = merge(
    {
      MODEL_BUCKET            = module.models_bucket.name
      MODEL_NAME              = var.model_name
      MODEL_ALIAS             = var.model_alias
      MODEL_REFRESH_SECONDS   = var.model_refresh_seconds
      PREDICTIONS_STREAM_NAME = local.predictions_stream_name
      OUTPUT_AGGREGATION      = var.output_aggregation
      REJECTS_BUCKET          = module.rejects_bucket.name
      # Threads of linear algebra cost start-up, and have one core to share.
      OPENBLAS_NUM_THREADS = 1
      # Bytes. What a batch takes is kept for the next one, and not asked of the system anew.
      MALLOC_MMAP_THRESHOLD_ = 33554432
      MALLOC_TRIM_THRESHOLD_ = 67108864
    },
    var.shadow_alias == "" ? {} : { SHADOW_ALIAS = var.shadow_alias },
    var.shadow_stream ? { SHADOW_STREAM_NAME = local.shadow_stream_name } : {},
  )

  scoring_key_users = [for service in ["kinesis", "s3", "sqs"] : "${service}.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
}

module "scoring_function" {
  source = "./modules/function"

  name        = "${var.name}-scoring"
  description = "Scores ride events with the model that an alias names."
  handler     = "ride_scoring.handler.handler"
  environment = local.scoring_environment
  # What it is told beside that is whoever deploys it to answer for.
  environment_variables = var.environment_variables
  policy                = { name = "scoring", json = data.aws_iam_policy_document.scoring.json }

  # A package that is named was built elsewhere, from what its builder knows.
  package                 = var.package == null ? local.packages.function : { path = var.package, sources_sha256 = null }
  package_bucket          = module.models_bucket.name
  image_uri               = var.image_uri
  architecture            = var.architecture
  memory_mb               = var.memory_mb
  timeout_seconds         = var.timeout_seconds
  ephemeral_storage_mb    = var.ephemeral_storage_mb
  reserved_concurrency    = var.reserved_concurrency
  provisioned_concurrency = var.provisioned_concurrency
  snap_start              = var.snap_start
  tracing                 = var.tracing
  log_retention_days      = var.log_retention_days
  canary                  = var.canary
  kms_key_arn             = var.kms_key_arn
  tags                    = var.tags
}

# Each statement is one kind of call that the function makes, or Lambda with the function's role.
data "aws_iam_policy_document" "scoring" {
  # Lambda reads the stream.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
  statement {
    sid       = "ReadEvents"
    actions   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [module.events_stream.arn]
  }

  dynamic "statement" {
    for_each = values(module.events_stream.consumer_arns)

    content {
      sid       = "SubscribeToEvents"
      actions   = ["kinesis:SubscribeToShard"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "WritePredictions"
    actions   = ["kinesis:PutRecords"]
    resources = concat([module.predictions_stream.arn], module.shadow_stream[*].arn)
  }

  statement {
    sid       = "ReadModel"
    actions   = ["s3:GetObject"]
    resources = ["${module.models_bucket.arn}/models/${var.model_name}/*"]
  }

  statement {
    sid       = "WriteRejects"
    actions   = ["s3:PutObject"]
    resources = ["${module.rejects_bucket.arn}/rejects/*"]
  }

  # Lambda sets aside batches whose retries are spent, and looks whether the bucket is there.
  # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
  dynamic "statement" {
    for_each = var.failure_queue ? [] : [module.rejects_bucket.arn]

    content {
      sid       = "WriteFailures"
      actions   = ["s3:PutObject"]
      resources = ["${statement.value}/aws/lambda/*"]

      # A bucket's name says nothing of its owner, and what is set aside are whole rides.
      condition {
        test     = "StringEquals"
        variable = "s3:ResourceAccount"
        values   = [data.aws_caller_identity.current.account_id]
      }
    }
  }

  dynamic "statement" {
    for_each = var.failure_queue ? [] : [module.rejects_bucket.arn]

    content {
      sid       = "FindFailuresBucket"
      actions   = ["s3:ListBucket"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = aws_sqs_queue.failures[*].arn

    content {
      sid       = "TellFailures"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value]
    }
  }

  # Only by way of the services that keep what it reads and writes.
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.scoring_key_users
      }
    }
  }

  # What was written with a key that was changed for another is still read.
  dynamic "statement" {
    for_each = length(var.former_kms_key_arns) == 0 ? [] : [var.former_kms_key_arns]

    content {
      sid       = "UseFormerKeys"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.scoring_key_users
      }
    }
  }
}

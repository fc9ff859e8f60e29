data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

data "aws_iam_policy_document" "lambda_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  description        = "What ${var.name} may do, and Lambda for it."
  assume_role_policy = data.aws_iam_policy_document.lambda_assumes.json
  tags               = var.tags
}

# Each statement is one kind of call that the function makes, or Lambda with the function's role.
data "aws_iam_policy_document" "this" {
  # Lambda reads the stream.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
  statement {
    sid       = "ReadEvents"
    actions   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [var.events_stream.arn]
  }

  dynamic "statement" {
    for_each = var.events_stream.consumer_arn == null ? [] : [var.events_stream.consumer_arn]

    content {
      sid       = "SubscribeToEvents"
      actions   = ["kinesis:SubscribeToShard"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "WritePredictions"
    actions   = ["kinesis:PutRecords"]
    resources = compact([var.predictions_stream.arn, try(var.shadow_stream.arn, "")])
  }

  statement {
    sid       = "ReadModel"
    actions   = ["s3:GetObject"]
    resources = ["${var.model.bucket_arn}/models/${var.model.name}/*"]
  }

  statement {
    sid       = "WriteRejects"
    actions   = ["s3:PutObject"]
    resources = ["${var.rejects_bucket.arn}/rejects/*"]
  }

  # Lambda sets aside batches whose retries are spent, and looks whether the bucket is there.
  # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
  dynamic "statement" {
    for_each = var.failure_queue_arn == null ? [var.rejects_bucket.arn] : []

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
    for_each = var.failure_queue_arn == null ? [var.rejects_bucket.arn] : []

    content {
      sid       = "FindFailuresBucket"
      actions   = ["s3:ListBucket"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.failure_queue_arn == null ? [] : [var.failure_queue_arn]

    content {
      sid       = "TellFailures"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"] # the streams of this one group
  }

  dynamic "statement" {
    for_each = var.tracing ? [true] : []

    content {
      sid     = "WriteTraces"
      actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      # X-Ray knows no resource for them.
      # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
      resources = ["*"]
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
        values   = local.key_users
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
        values   = local.key_users
      }
    }
  }
}

locals {
  key_users = [for service in ["kinesis", "s3", "sqs"] : "${service}.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
}

resource "aws_iam_role_policy" "this" {
  name   = "scoring"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

# A key that turns once a year, and whom it serves.
resource "aws_kms_key" "this" {
  description             = "Streams, buckets, logs and alarms of ${var.name}."
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:A key's policy speaks of the key alone, which it names by *
  # checkov:skip=CKV_AWS_111:A key's policy speaks of the key alone
  # checkov:skip=CKV_AWS_356:A key's policy has no other resource to name

  # The account's own policies say who else: those in access.tf and the function's role.
  # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
  statement {
    sid       = "Logs"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:log-group:/aws/lambda/${var.name}-scoring"]
    }
  }

  # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  # The mapping's filters, for Lambda in this region, and for this function and stream alone. A mapping's
  # own ARN is known only once it stands. The page does not say whether the function's ARN ends in its
  # alias, or the stream's in its consumer: both may.
  # https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
  statement {
    sid       = "Filters"
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["lambda.${data.aws_region.current.id}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.lambda}:event-source-mapping:*"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
      values   = ["${local.lambda}:function:${var.name}-scoring", "${local.lambda}:function:${var.name}-scoring:*"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:lambda:EventSourceArn"
      values   = [local.events, "${local.events}/consumer/*"]
    }
  }
}

locals {
  here   = "${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}"
  lambda = "arn:${data.aws_partition.current.partition}:lambda:${local.here}"
  events = "arn:${data.aws_partition.current.partition}:kinesis:${local.here}:stream/${var.name}-events"
}

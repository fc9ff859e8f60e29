# IAM policies of those who work with the function: attach one to whoever plays it.
locals {
  roles_around = {
    producer  = { does = "Sends ride events.", document = data.aws_iam_policy_document.producer.json }
    reader    = { does = "Reads both streams, and what was set aside.", document = data.aws_iam_policy_document.reader.json }
    publisher = { does = "Publishes models and takes them back.", document = data.aws_iam_policy_document.publisher.json }
    redriver  = { does = "Sends what was set aside once more.", document = data.aws_iam_policy_document.redriver.json }
  }
}

resource "aws_iam_policy" "around" {
  for_each = local.roles_around

  name        = "${var.name}-${each.key}"
  description = each.value.does
  policy      = each.value.document
  tags        = var.tags
}

# With a key of one's own, who writes needs it, and who reads; by way of the services alone.
locals {
  key_users = [for service in ["kinesis", "s3"] : "${service}.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}"]
}

data "aws_iam_policy_document" "writes_with_key" {
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "WriteWithKey"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.key_users
      }
    }
  }
}

data "aws_iam_policy_document" "reads_with_key" {
  dynamic "statement" {
    for_each = var.kms_key_arn == null && length(var.former_kms_key_arns) == 0 ? [] : [concat(var.kms_key_arn == null ? [] : [var.kms_key_arn], var.former_kms_key_arns)]

    content {
      sid       = "ReadWithKey"
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

data "aws_iam_policy_document" "producer" {
  source_policy_documents = [data.aws_iam_policy_document.writes_with_key.json]

  statement {
    sid       = "SendRides"
    actions   = ["kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords"]
    resources = [module.events_stream.arn]
  }
}

data "aws_iam_policy_document" "reader" {
  source_policy_documents = [data.aws_iam_policy_document.reads_with_key.json]

  statement {
    sid       = "ReadStreams"
    actions   = ["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = concat([module.events_stream.arn, module.predictions_stream.arn], module.shadow_stream[*].arn)
  }

  statement {
    sid       = "ListSetAside"
    actions   = ["s3:ListBucket"]
    resources = [module.rejects_bucket.arn]
  }

  statement {
    sid       = "ReadSetAside"
    actions   = ["s3:GetObject"]
    resources = ["${module.rejects_bucket.arn}/rejects/*", "${module.rejects_bucket.arn}/aws/lambda/*", "${module.rejects_bucket.arn}/redriven/*"]
  }
}

data "aws_iam_policy_document" "publisher" {
  source_policy_documents = [data.aws_iam_policy_document.writes_with_key.json, data.aws_iam_policy_document.reads_with_key.json]

  # To list is to be told what is missing: S3 answers AccessDenied in its place otherwise.
  statement {
    sid       = "ListStore"
    actions   = ["s3:ListBucket"]
    resources = [module.models_bucket.arn]
  }

  statement {
    sid       = "WriteStore"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${module.models_bucket.arn}/models/${var.model_name}/*"]
  }
}

data "aws_iam_policy_document" "redriver" {
  source_policy_documents = [data.aws_iam_policy_document.producer.json, data.aws_iam_policy_document.reads_with_key.json]

  statement {
    sid       = "ListSetAside"
    actions   = ["s3:ListBucket"]
    resources = [module.rejects_bucket.arn]
  }

  statement {
    sid       = "ReadSetAside"
    actions   = ["s3:GetObject"]
    resources = ["${module.rejects_bucket.arn}/rejects/*", "${module.rejects_bucket.arn}/aws/lambda/*", "${module.rejects_bucket.arn}/redriven/*"]
  }

  statement {
    sid       = "NoteRedriven"
    actions   = ["s3:PutObject"]
    resources = ["${module.rejects_bucket.arn}/redriven/*"]
  }
}

# By choice: where, in place of a bucket, a queue is told of batches whose retries are spent.
resource "aws_sqs_queue" "failures" {
  count = var.failure_queue ? 1 : 0

  name                      = "${var.name}-failures"
  message_retention_seconds = 1209600 # the most that SQS keeps, as a message is all that tells
  kms_master_key_id         = var.kms_key_arn
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  tags                      = var.tags

  # A queue that exists already is taken over without a word, so it comes after what is refused then.
  depends_on = [module.scoring_function.role_arn]
}

data "aws_iam_policy_document" "failures" {
  count = var.failure_queue ? 1 : 0

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.failures[0].arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "failures" {
  count = var.failure_queue ? 1 : 0

  queue_url = aws_sqs_queue.failures[0].url
  policy    = data.aws_iam_policy_document.failures[0].json
}

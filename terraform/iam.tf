data "aws_iam_policy_document" "lambda_assumes" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "scoring" {
  name               = "${var.name}-scoring"
  assume_role_policy = data.aws_iam_policy_document.lambda_assumes.json
}

data "aws_iam_policy_document" "scoring" {
  # Lambda reads the stream with the function's role.
  # https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
  statement {
    sid       = "ReadEvents"
    actions   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
    resources = [aws_kinesis_stream.this[local.events_stream].arn]
  }

  statement {
    sid       = "WritePredictions"
    actions   = ["kinesis:PutRecords"]
    resources = [aws_kinesis_stream.this[local.predictions_stream].arn]
  }

  statement {
    sid       = "ReadModel"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.models.arn}/models/${var.model_name}/*"]
  }

  statement {
    sid       = "WriteRejectsAndFailures"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.rejects.arn}/rejects/*", "${aws_s3_bucket.rejects.arn}/aws/lambda/*"]
  }

  # Lambda asks for it of an on-failure destination in S3.
  # https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
  statement {
    sid       = "FindFailuresBucket"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.rejects.arn]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.scoring.arn}:*"]
  }
}

resource "aws_iam_role_policy" "scoring" {
  name   = "scoring"
  role   = aws_iam_role.scoring.id
  policy = data.aws_iam_policy_document.scoring.json
}

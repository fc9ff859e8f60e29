# The model store: models/<name>/versions and aliases, and the function's packages.
resource "aws_s3_bucket" "models" {
  bucket        = "${local.unique_name}-models"
  force_destroy = true # holds copies: of what MLflow and `make package` can give again
}

# What can never be scored (rejects/), and batches whose retries are spent (aws/lambda/).
resource "aws_s3_bucket" "rejects" {
  bucket        = "${local.unique_name}-rejects"
  force_destroy = var.discard_rejects
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = {
    models  = aws_s3_bucket.models.id
    rejects = aws_s3_bucket.rejects.id
  }

  bucket                  = each.value
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

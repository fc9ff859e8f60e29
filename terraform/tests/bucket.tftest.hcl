# What each argument of a bucket becomes, and which are refused.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "rides-of-ours"
}

run "defaults" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  assert {
    condition     = aws_s3_bucket.this.bucket == "rides-of-ours" && !aws_s3_bucket.this.force_destroy && length(aws_s3_bucket.this.tags) == 0
    error_message = "Its name, and no leave to be deleted with what it holds."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Closed to the public in each of the four ways."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256" && !one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "Encrypted with S3's own key."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Versioned."
  }

  assert {
    condition     = data.aws_iam_policy_document.tls.statement[0].sid == "TlsOnly" && data.aws_iam_policy_document.tls.statement[0].effect == "Deny" && data.aws_iam_policy_document.tls.statement[0].actions == toset(["s3:*"])
    error_message = "Everything is denied …"
  }

  assert {
    condition     = one(data.aws_iam_policy_document.tls.statement[0].condition).variable == "aws:SecureTransport" && one(data.aws_iam_policy_document.tls.statement[0].condition).values == tolist(["false"]) && one(data.aws_iam_policy_document.tls.statement[0].principals).identifiers == toset(["*"])
    error_message = "… to everybody who comes without TLS."
  }

  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "Nothing expires, so there is no lifecycle: S3 refuses one without rules."
  }
}

run "everything_set" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    name            = format("%063d", 0)
    kms_key_arn     = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    expire_days     = { "rejects/" = 1, "aws/lambda/" = 90 }
    tier_days       = { "models/" = 0 }
    noncurrent_days = 1
    force_destroy   = true
    tags            = { team = "rides" }
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy && aws_s3_bucket.this.tags == tomap({ team = "rides" })
    error_message = "May be deleted with what it holds, and has tags."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == "arn:aws:kms:eu-west-1:123456789012:key/mine" && one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    error_message = "Encrypted with the key that is named, by way of a bucket key."
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.id] == ["forget-noncurrent", "expire-aws-lambda", "expire-rejects", "tier-models"]
    error_message = "A rule for each prefix, and one for what is noncurrent."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.status == "Enabled"])
    error_message = "Each rule is enabled."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this[0].rule[0].noncurrent_version_expiration[0].noncurrent_days == 1 && aws_s3_bucket_lifecycle_configuration.this[0].rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7
    error_message = "What was overwritten goes, and what was never uploaded to its end."
  }

  assert {
    condition     = { for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.filter[0].prefix => rule.expiration[0].days if length(rule.expiration) > 0 } == { "aws/lambda/" = 90, "rejects/" = 1 }
    error_message = "Objects expire by their prefix."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this[0].rule[3].filter[0].prefix == "models/" && [for step in aws_s3_bucket_lifecycle_configuration.this[0].rule[3].transition : "${step.days} ${step.storage_class}"] == ["0 INTELLIGENT_TIERING"]
    error_message = "Objects change their tier by their prefix."
  }
}

# Each alone makes a lifecycle.
run "only_noncurrent" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    noncurrent_days = 30
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.id] == ["forget-noncurrent"]
    error_message = "One rule."
  }
}

run "only_expiring" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    expire_days = { "rejects/" = 90 }
  }

  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : rule.id] == ["expire-rejects"]
    error_message = "One rule."
  }
}

# Each variable that expect_failures names has to be refused, not only one of them.
run "too_little" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    name            = "ab"
    kms_key_arn     = "alias/mine"
    expire_days     = { "rejects/" = 90, "aws/lambda/" = 0 }
    tier_days       = { "models/" = -1 }
    noncurrent_days = 0
  }

  expect_failures = [var.name, var.kms_key_arn, var.expire_days, var.tier_days, var.noncurrent_days]
}

run "fractions" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    name            = format("%064d", 0)
    expire_days     = { "rejects/" = 1.5 }
    tier_days       = { "models/" = 0.5 }
    noncurrent_days = 1.5
  }

  expect_failures = [var.name, var.expire_days, var.tier_days, var.noncurrent_days]
}

run "name_with_capitals" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    name = "Rides"
  }

  expect_failures = [var.name]
}

run "name_with_a_dot" {
  command = plan

  module {
    source = "./modules/bucket"
  }

  variables {
    name = "rides.of.ours"
  }

  expect_failures = [var.name]
}

# What lies outside the modules, and which arguments are refused before they reach one. That each of
# the others reaches the module that it is for, tests/terraform/test_wiring.py shows.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  package = "tests/fixtures/package.zip"
}

run "defaults" {
  command = plan

  assert {
    condition     = [output.events_stream_name, output.predictions_stream_name, output.function_name] == ["ride-events", "ride-predictions", "ride-scoring"]
    error_message = "Each name starts with the deployment's."
  }

  assert {
    condition     = { for key, policy in aws_iam_policy.around : key => policy.name } == { producer = "ride-producer", publisher = "ride-publisher", reader = "ride-reader", redriver = "ride-redriver" } && keys(output.policy_arns) == ["producer", "publisher", "reader", "redriver"]
    error_message = "A policy for each part that is played around the function, and all of them told."
  }

  assert {
    condition = {
      producer  = { for statement in data.aws_iam_policy_document.producer.statement : statement.sid => statement.actions }
      reader    = { for statement in data.aws_iam_policy_document.reader.statement : statement.sid => statement.actions }
      publisher = { for statement in data.aws_iam_policy_document.publisher.statement : statement.sid => statement.actions }
      redriver  = { for statement in data.aws_iam_policy_document.redriver.statement : statement.sid => statement.actions }
      } == {
      producer = { SendRides = toset(["kinesis:DescribeStreamSummary", "kinesis:PutRecord", "kinesis:PutRecords"]) }
      reader = {
        ReadStreams  = toset(["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"])
        ListSetAside = toset(["s3:ListBucket"])
        ReadSetAside = toset(["s3:GetObject"])
      }
      publisher = {
        ListStore  = toset(["s3:ListBucket"])
        WriteStore = toset(["s3:GetObject", "s3:PutObject"])
      }
      redriver = {
        ListSetAside = toset(["s3:ListBucket"])
        ReadSetAside = toset(["s3:GetObject"])
        NoteRedriven = toset(["s3:PutObject"])
      }
    }
    error_message = "Each may do this, and no more."
  }

  assert {
    condition     = length(data.aws_iam_policy_document.writes_with_key.statement) == 0 && length(data.aws_iam_policy_document.reads_with_key.statement) == 0 && length(aws_sqs_queue.failures) == 0 && length(aws_sqs_queue_policy.failures) == 0
    error_message = "No key and no queue unless asked for."
  }
}

run "with_key_queue_and_shadow" {
  command = plan

  variables {
    name        = "r-012345678901234567"
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/mine"

    former_kms_key_arns = ["arn:aws:kms:eu-west-1:123456789012:key/former"]
    failure_queue       = true
    shadow_alias        = "challenger"
    shadow_stream       = true
    model_name          = "Ride.Duration_2"
    architecture        = "arm64"
    tags                = { team = "rides" }

    retention_hours    = 25
    record_age_seconds = 86400
  }

  assert {
    condition     = output.events_stream_name == "r-012345678901234567-events" && output.function_name == "r-012345678901234567-scoring" && aws_iam_policy.around["reader"].name == "r-012345678901234567-reader" && aws_sqs_queue.failures[0].name == "r-012345678901234567-failures"
    error_message = "Each name starts with the deployment's."
  }

  assert {
    condition     = one(data.aws_iam_policy_document.writes_with_key.statement).resources == toset(["arn:aws:kms:eu-west-1:123456789012:key/mine"]) && one(data.aws_iam_policy_document.writes_with_key.statement).actions == toset(["kms:GenerateDataKey"]) && one(one(data.aws_iam_policy_document.writes_with_key.statement).condition).values == tolist(["kinesis.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"])
    error_message = "Who writes may use the key to write, by way of the services."
  }

  assert {
    condition     = one(data.aws_iam_policy_document.reads_with_key.statement).resources == toset(["arn:aws:kms:eu-west-1:123456789012:key/former", "arn:aws:kms:eu-west-1:123456789012:key/mine"]) && one(data.aws_iam_policy_document.reads_with_key.statement).actions == toset(["kms:Decrypt"])
    error_message = "Who reads may decrypt with the key and those before it."
  }

  assert {
    condition     = aws_sqs_queue.failures[0].kms_master_key_id == "arn:aws:kms:eu-west-1:123456789012:key/mine" && aws_sqs_queue.failures[0].message_retention_seconds == 1209600
    error_message = "The queue is encrypted with the key, and keeps a message as long as SQS does."
  }

  assert {
    condition     = data.aws_iam_policy_document.failures[0].statement[0].effect == "Deny" && one(data.aws_iam_policy_document.failures[0].statement[0].condition).variable == "aws:SecureTransport" && length(aws_sqs_queue_policy.failures) == 1
    error_message = "It is spoken to by TLS alone."
  }

  assert {
    condition     = alltrue([for made in concat(values(aws_iam_policy.around), aws_sqs_queue.failures) : made.tags == tomap({ team = "rides" })])
    error_message = "Tags of all that takes them."
  }
}

run "a_queue_without_a_key" {
  command = plan

  variables {
    failure_queue = true
  }

  assert {
    condition     = aws_sqs_queue.failures[0].kms_master_key_id == null && aws_sqs_queue.failures[0].sqs_managed_sse_enabled
    error_message = "The queue is encrypted with SQS's own key."
  }
}

# Each variable that expect_failures names has to be refused, not only one of them.
run "too_short_or_too_soon" {
  command = plan

  variables {
    name               = "r"
    kms_key_arn        = "alias/mine"
    architecture       = "arm"
    model_name         = ""
    shadow_stream      = true
    record_age_seconds = 86400
  }

  expect_failures = [var.name, var.kms_key_arn, var.architecture, var.model_name, var.shadow_stream, var.record_age_seconds]
}

run "too_long" {
  command = plan

  variables {
    name        = "ride-0123456789012345"
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:alias/mine"
    model_name  = format("%0101d", 0)
  }

  expect_failures = [var.name, var.kms_key_arn, var.model_name]
}

run "with_characters_that_aws_refuses" {
  command = plan

  variables {
    name        = "Ride"
    kms_key_arn = "arn:aws:s3:::key/mine"
    model_name  = "ride/../other"

    former_kms_key_arns = ["alias/former"]
    alarm_thresholds    = { silence = 3 }
  }

  expect_failures = [var.name, var.kms_key_arn, var.model_name, var.former_kms_key_arns, var.alarm_thresholds]
}

run "a_name_that_starts_with_a_digit" {
  command = plan

  variables {
    name       = "1ride"
    model_name = "-ride"
  }

  expect_failures = [var.name, var.model_name]
}

run "models_that_scoring_cannot_follow" {
  command = plan

  variables {
    model_refresh_seconds = -1
    shadow_alias          = "../other"
    output_aggregation    = "gzip"
  }

  expect_failures = [var.model_refresh_seconds, var.shadow_alias, var.output_aggregation]
}

run "too_seldom_and_the_same_alias_twice" {
  command = plan

  variables {
    model_alias           = "champion"
    model_refresh_seconds = 86401
    shadow_alias          = "champion"
  }

  expect_failures = [var.model_refresh_seconds, var.shadow_alias]
}

# By itself: what is compared with a refused alias is not looked at.
run "an_alias_outside_the_store" {
  command = plan

  variables {
    model_alias = "/"
  }

  expect_failures = [var.model_alias]
}

run "no_alias" {
  command = plan

  variables {
    model_alias  = ""
    shadow_alias = "challenger"
  }

  expect_failures = [var.model_alias]
}

# Which alarms are raised when, who is told, and which arguments are refused.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "ride"
  function_name      = "ride-scoring"
  alias              = "live"
  log_group          = "/aws/lambda/ride-scoring"
  service            = "ride-scoring"
  event_source_uuid  = "14e0db71-1d2f-4b58-9a5a-0a1f5f0f0f0f"
  events_stream      = "ride-events"
  predictions_stream = "ride-predictions"
}

run "defaults" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = output.alarms == tolist([
      "ride-batches-not-done", "ride-dropped", "ride-errors", "ride-function-throttled", "ride-input-throttled", "ride-iterator-age",
      "ride-model-refused", "ride-output-throttled", "ride-rejects", "ride-set-aside", "ride-silence",
    ])
    error_message = "These alarms, and none on a canary."
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.simple : key => "${alarm.namespace} ${alarm.metric_name} ${alarm.statistic} ${join(" ", [for name, value in alarm.dimensions : "${name}=${value}"])}" } == {
      batches-not-done   = "RideScoring BatchesNotDone Sum service=ride-scoring"
      dropped            = "AWS/Lambda DroppedEventCount Sum EventSourceMappingUUID=14e0db71-1d2f-4b58-9a5a-0a1f5f0f0f0f"
      function-throttled = "AWS/Lambda Throttles Sum FunctionName=ride-scoring"
      input-throttled    = "AWS/Kinesis WriteProvisionedThroughputExceeded Sum StreamName=ride-events"
      iterator-age       = "AWS/Lambda IteratorAge Maximum FunctionName=ride-scoring"
      model-refused      = "RideScoring RefusedModels Sum service=ride-scoring"
      output-throttled   = "AWS/Kinesis PutRecords.ThrottledRecords Sum StreamName=ride-predictions"
      set-aside          = "AWS/Lambda OnFailureDestinationDeliveredEventCount Sum EventSourceMappingUUID=14e0db71-1d2f-4b58-9a5a-0a1f5f0f0f0f"
    }
    error_message = "What each looks at."
  }

  assert {
    condition     = { for key, alarm in aws_cloudwatch_metric_alarm.simple : key => alarm.threshold if alarm.threshold != 0 } == { iterator-age = 60000 }
    error_message = "A minute of waiting, in milliseconds; the others at the first time."
  }

  assert {
    condition     = { for key, alarm in aws_cloudwatch_metric_alarm.ratio : key => [alarm.threshold, alarm.datapoints_to_alarm, alarm.evaluation_periods] } == { errors = [5, 3, 3], rejects = [5, 5, 5] }
    error_message = "Five per cent of calls or rides."
  }

  assert {
    condition = {
      for alarm in [aws_cloudwatch_metric_alarm.rides_arrive, aws_cloudwatch_metric_alarm.nothing_comes] :
      alarm.alarm_name => "${alarm.namespace} ${alarm.metric_name} ${alarm.comparison_operator} ${alarm.threshold} ${coalesce(alarm.datapoints_to_alarm, alarm.evaluation_periods)}/${alarm.evaluation_periods} ${alarm.treat_missing_data}"
      } == {
      ride-silence-rides-arrive  = "AWS/Kinesis IncomingRecords GreaterThanThreshold 0 10/15 notBreaching"
      ride-silence-nothing-comes = "RideScoring Events LessThanThreshold 1 10/10 breaching"
    }
    error_message = "Ten minutes of silence; what never counted an event counts as silent."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.silence.alarm_rule == "ALARM(\"ride-silence-rides-arrive\") AND ALARM(\"ride-silence-nothing-comes\")" && coalesce(length(aws_cloudwatch_metric_alarm.rides_arrive.alarm_actions == null ? [] : aws_cloudwatch_metric_alarm.rides_arrive.alarm_actions), 0) == 0
    error_message = "Only both together are told of."
  }

  assert {
    condition     = alltrue([for alarm in merge(aws_cloudwatch_metric_alarm.simple, aws_cloudwatch_metric_alarm.ratio) : alarm.comparison_operator == "GreaterThanThreshold" && alarm.treat_missing_data == "notBreaching" && length(alarm.alarm_description) > 20])
    error_message = "Each is raised above its threshold alone, and says what it means."
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.ratio : key => sort([for query in alarm.metric_query : "${query.id} ${one(query.metric).namespace} ${one(query.metric).metric_name}" if length(query.metric) > 0]) } == {
      errors  = tolist(["calls AWS/Lambda Invocations", "errors AWS/Lambda Errors"])
      rejects = tolist(["events RideScoring Events", "rejects RideScoring Rejects"])
    }
    error_message = "What each share is of."
  }

  assert {
    condition     = aws_sns_topic.alarms.name == "ride-alarms" && aws_sns_topic.alarms.kms_master_key_id == null && length(aws_sns_topic_subscription.email) == 0 && aws_cloudwatch_dashboard.this.dashboard_name == "ride"
    error_message = "A topic that nobody has subscribed to, and a dashboard."
  }

  assert {
    condition     = [for statement in data.aws_iam_policy_document.alarms.statement : "${statement.sid} ${coalesce(statement.effect, "Allow")}"] == ["AlarmsOfThisAccount Allow", "TlsOnly Deny"] && one(data.aws_iam_policy_document.alarms.statement[0].condition).values == tolist(["123456789012"])
    error_message = "Alarms of this account alone, by TLS alone."
  }
}

run "everything_set" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    canary       = { version = "8" }
    alarm_emails = ["on-call@example.com", "lead@example.com"]
    thresholds   = { iterator_age_seconds = 30, error_share = 0, reject_share = 0.25, silent_minutes = 1435 }
    kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    tags         = { team = "rides" }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["iterator-age"].threshold == 30000
    error_message = "Half a minute."
  }

  assert {
    condition     = { for key, alarm in aws_cloudwatch_metric_alarm.ratio : key => [alarm.threshold, alarm.datapoints_to_alarm, alarm.evaluation_periods] } == { canary-rejects = [25, 1, 5], errors = [0, 3, 3], rejects = [25, 5, 5] }
    error_message = "Thresholds as they are set, and an alarm on the canary, which may reject no more than any version."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.rides_arrive.datapoints_to_alarm, aws_cloudwatch_metric_alarm.rides_arrive.evaluation_periods, aws_cloudwatch_metric_alarm.nothing_comes.evaluation_periods] == [1435, 1440, 1435]
    error_message = "A day of silence."
  }

  assert {
    condition = merge(
      { for key, alarm in aws_cloudwatch_metric_alarm.simple : key => "${alarm.namespace} ${alarm.metric_name} ${join(" ", values(alarm.dimensions))} ${alarm.datapoints_to_alarm}/${alarm.evaluation_periods}" if startswith(key, "canary") },
      { for query in aws_cloudwatch_metric_alarm.ratio["canary-rejects"].metric_query : query.id => "${one(query.metric).namespace} ${one(query.metric).metric_name} ${join(" ", values(one(query.metric).dimensions))}" if length(query.metric) > 0 },
      ) == {
      canary-errors           = "AWS/Lambda Errors 8 ride-scoring ride-scoring:live 1/5"
      canary-batches-not-done = "RideScoring BatchesNotDone 8 ride-scoring 1/5"
      events                  = "RideScoring Events 8 ride-scoring"
      rejects                 = "RideScoring Rejects 8 ride-scoring"
    }
    error_message = "The canary's alarms look at its version alone."
  }

  assert {
    condition     = length(setintersection(output.alarms, ["ride-canary-errors", "ride-canary-batches-not-done", "ride-canary-rejects"])) == 3 && length(output.alarms) == 14
    error_message = "They are told with the others."
  }

  assert {
    condition     = [for address in aws_sns_topic_subscription.email : "${address.protocol} ${address.endpoint}"] == ["email lead@example.com", "email on-call@example.com"]
    error_message = "Both are told by mail."
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == "arn:aws:kms:eu-west-1:123456789012:key/mine" && alltrue([for made in concat([aws_sns_topic.alarms], values(aws_cloudwatch_metric_alarm.simple), values(aws_cloudwatch_metric_alarm.ratio), [aws_cloudwatch_metric_alarm.rides_arrive, aws_cloudwatch_metric_alarm.nothing_comes, aws_cloudwatch_composite_alarm.silence]) : made.tags == tomap({ team = "rides" })])
    error_message = "The topic's key, and everybody's tags."
  }
}

run "nulls_are_the_defaults" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    thresholds = { iterator_age_seconds = null, error_share = null, reject_share = 0.5, silent_minutes = null }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["iterator-age"].threshold == 60000 && { for key, alarm in aws_cloudwatch_metric_alarm.ratio : key => [alarm.threshold, alarm.datapoints_to_alarm, alarm.evaluation_periods] } == { errors = [5, 3, 3], rejects = [50, 5, 5] } && aws_cloudwatch_metric_alarm.nothing_comes.evaluation_periods == 10
    error_message = "What is not set is as it is without."
  }
}

# Each variable that expect_failures names has to be refused, not only one of them.
run "too_little" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    name         = ""
    alarm_emails = ["on-call"]
    thresholds   = { iterator_age_seconds = 0 }
    kms_key_arn  = "alias/mine"
  }

  expect_failures = [var.name, var.alarm_emails, var.thresholds, var.kms_key_arn]
}

run "names_and_addresses_that_are_none" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    name         = "ride scoring"
    alarm_emails = ["on-call@example.com", "on call@example.com"]
    thresholds   = { error_share = 1 }
  }

  expect_failures = [var.name, var.alarm_emails, var.thresholds]
}

run "a_name_too_long_and_a_negative_share" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    name       = format("%0201d", 0)
    thresholds = { error_share = -0.1 }
  }

  expect_failures = [var.name, var.thresholds]
}

run "rejects_in_per_cent" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    thresholds = { reject_share = 5 }
  }

  expect_failures = [var.thresholds]
}

run "no_silence_at_all" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    thresholds = { silent_minutes = 0 }
  }

  expect_failures = [var.thresholds]
}

run "silence_for_more_than_a_day" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    thresholds = { silent_minutes = 1436 }
  }

  expect_failures = [var.thresholds]
}

run "silence_for_half_a_minute_more" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    thresholds = { silent_minutes = 1.5 }
  }

  expect_failures = [var.thresholds]
}

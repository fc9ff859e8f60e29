# Each alarm: what it looks at, and when it is raised. docs/operations.md says what to do then.
locals {
  own       = { namespace = "RideScoring", dimensions = { service = var.service } }
  lambda    = { namespace = "AWS/Lambda", dimensions = { FunctionName = var.function_name } }
  mapping   = { namespace = "AWS/Lambda", dimensions = { EventSourceMappingUUID = var.event_source_uuid } }
  events    = { namespace = "AWS/Kinesis", dimensions = { StreamName = var.events_stream } }
  predicted = { namespace = "AWS/Kinesis", dimensions = { StreamName = var.predictions_stream } }

  # One metric against a threshold, by the minute: so many minutes, of so many if that is another number.
  simple_alarms = {
    iterator-age = {
      of          = local.lambda, metric = "IteratorAge", statistic = "Maximum", minutes = 3
      threshold   = var.thresholds.iterator_age_seconds * 1000
      description = "Rides wait longer than ${var.thresholds.iterator_age_seconds} s to be scored."
    }
    batches-not-done = {
      of          = local.own, metric = "BatchesNotDone", statistic = "Sum", minutes = 5, threshold = 0
      description = "Batches are retried, minute after minute: no model, S3 or Kinesis away, or throttled."
    }
    function-throttled = {
      of          = local.lambda, metric = "Throttles", statistic = "Sum", minutes = 3, threshold = 0
      description = "Lambda refuses batches for want of concurrency."
    }
    output-throttled = {
      of          = local.predicted, metric = "PutRecords.ThrottledRecords", statistic = "Sum", minutes = 3, threshold = 0
      description = "The predictions stream refuses records: it has too few shards."
    }
    input-throttled = {
      of          = local.events, metric = "WriteProvisionedThroughputExceeded", statistic = "Sum", minutes = 3, threshold = 0
      description = "The events stream refuses rides: it has too few shards."
    }
    set-aside = {
      of          = local.mapping, metric = "OnFailureDestinationDeliveredEventCount", statistic = "Sum", minutes = 1, threshold = 0
      description = "Lambda has given rides up, and set them aside whole: they are there to be sent again."
    }
    dropped = {
      of          = local.mapping, metric = "DroppedEventCount", statistic = "Sum", minutes = 1, threshold = 0
      description = "Lambda has given rides up, and could not set them aside: they are in the stream until it forgets them."
    }
    model-refused = {
      of          = local.own, metric = "RefusedModels", statistic = "Sum", minutes = 1, threshold = 0
      description = "The function refused the model that the alias names; the version before it keeps serving."
    }
  }

  # A share, or one metric against another. No page of CloudWatch's says what FILL makes of a metric that
  # never had a value, so none is filled: the metrics of one expression are always written together.
  ratio_alarms = {
    errors = {
      minutes     = 3
      out_of      = 3
      expression  = "IF(calls > 0, 100 * errors / calls, 0)"
      threshold   = var.thresholds.error_share * 100
      description = "More than ${var.thresholds.error_share * 100} % of the function's calls end in an error or a timeout."
      metrics = {
        errors = { of = local.lambda, metric = "Errors" }
        calls  = { of = local.lambda, metric = "Invocations" }
      }
    }
    rejects = {
      minutes = 5
      out_of  = 5
      # Of events, as one record may aggregate hundreds of them.
      expression  = "IF(events > 0, 100 * rejects / events, 0)"
      threshold   = var.thresholds.reject_share * 100
      description = "More than ${var.thresholds.reject_share * 100} % of the rides can never be scored."
      metrics = {
        rejects = { of = local.own, metric = "Rejects" }
        events  = { of = local.own, metric = "Events" }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "simple" {
  for_each = merge(local.simple_alarms, local.canary_simple_alarms)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.of.namespace
  dimensions          = each.value.of.dimensions
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = lookup(each.value, "out_of", each.value.minutes)
  datapoints_to_alarm = each.value.minutes
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching" # nothing was counted where nothing happened
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "ratio" {
  for_each = merge(local.ratio_alarms, local.canary_ratio_alarms)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = each.value.out_of
  datapoints_to_alarm = each.value.minutes
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = var.tags

  metric_query {
    id          = "alarm"
    label       = each.key
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.of.namespace
        dimensions  = metric_query.value.of.dimensions
        metric_name = metric_query.value.metric
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

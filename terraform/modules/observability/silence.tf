# Rides arrive, and nothing comes of them. One alarm looks at what arrives, one at what comes of it, and
# a third is raised where both are: in one expression, a function that has been dead from its first day,
# whose metrics never had a value, might leave the whole expression without one.
resource "aws_cloudwatch_metric_alarm" "rides_arrive" {
  alarm_name          = "${var.name}-silence-rides-arrive"
  alarm_description   = "Tells nobody by itself: rides arrive, minute after minute. Part of ${var.name}-silence."
  namespace           = local.events.namespace
  dimensions          = local.events.dimensions
  metric_name         = "IncomingRecords"
  statistic           = "Sum"
  period              = 60
  datapoints_to_alarm = var.thresholds.silent_minutes
  evaluation_periods  = var.thresholds.silent_minutes + 5 # the newest minutes come late
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "nothing_comes" {
  alarm_name          = "${var.name}-silence-nothing-comes"
  alarm_description   = "Tells nobody by itself: no ride is predicted or rejected. Part of ${var.name}-silence."
  namespace           = local.own.namespace
  dimensions          = local.own.dimensions
  metric_name         = "Events"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = var.thresholds.silent_minutes
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching" # a function that does nothing counts nothing
  tags                = var.tags
}

resource "aws_cloudwatch_composite_alarm" "silence" {
  alarm_name        = "${var.name}-silence"
  alarm_description = "Rides arrive, minute after minute, and nothing comes of them."
  alarm_rule        = "ALARM(\"${aws_cloudwatch_metric_alarm.rides_arrive.alarm_name}\") AND ALARM(\"${aws_cloudwatch_metric_alarm.nothing_comes.alarm_name}\")"
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]
  tags              = var.tags
}

output "topic_arn" {
  description = "Topic that alarms go to."
  value       = aws_sns_topic.alarms.arn
}

output "alarms" {
  description = "Names of the alarms that the topic is told of."
  value       = sort(concat(values(aws_cloudwatch_metric_alarm.simple)[*].alarm_name, values(aws_cloudwatch_metric_alarm.ratio)[*].alarm_name, [aws_cloudwatch_composite_alarm.silence.alarm_name]))
}

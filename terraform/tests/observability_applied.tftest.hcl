# The dashboard, which is known once its alarms stand: as good as applied, with a mock in AWS's place.
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
  alarm_emails       = ["on-call@example.com"]
}

run "dashboard" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.title] == [
      "Rides in, and what came of them", "How long rides wait for the function (iterator age, ms)", "From arrival to scored (ms)", "One batch (ms)",
      "Rejects by reason", "What fails", "What is refused for want of capacity", "Starts and models",
      "Model version that scored", "Alarms",
    ]
    error_message = "One page with these widgets."
  }

  assert {
    condition     = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x} ${widget.y}"])) == 10 && alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.x + widget.width <= 24])
    error_message = "None lies on another or beyond CloudWatch's 24 columns."
  }

  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.region == "eu-west-1" if widget.type != "alarm"])
    error_message = "Each shows the region that is applied in."
  }

  assert {
    condition     = strcontains(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[8].properties.query, "SOURCE '/aws/lambda/ride-scoring'")
    error_message = "Versions come from the function's log."
  }

  assert {
    condition     = length(setsubtract([for alarm in concat(values(aws_cloudwatch_metric_alarm.simple), values(aws_cloudwatch_metric_alarm.ratio)) : alarm.arn], jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[9].properties.alarms)) == 0
    error_message = "All alarms are on it."
  }

  assert {
    condition = alltrue([for name in ["ride-events", "ride-predictions", "ride-scoring", var.event_source_uuid] :
    strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${name}\"")])
    error_message = "It looks at the streams, the function and the mapping that it is given."
  }

  assert {
    condition = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.simple), values(aws_cloudwatch_metric_alarm.ratio)) :
    alarm.alarm_actions == toset([output.topic_arn]) && alarm.ok_actions == toset([output.topic_arn])])
    error_message = "The topic is told when an alarm is raised, and when it is over."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["on-call@example.com"].topic_arn == output.topic_arn && aws_sns_topic_policy.alarms.arn == output.topic_arn
    error_message = "Subscriptions and policy are the topic's."
  }
}

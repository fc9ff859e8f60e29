# One page: is it alive, is it fast, is it right.
data "aws_region" "current" {}

locals {
  own_metric = { for name in ["Records", "Events", "Predictions", "Rejects", "BatchTime", "ArrivalToScoredP50", "ArrivalToScoredMax", "ColdStarts", "ModelLoadTime", "BatchesNotDone", "Retries", "Throttles", "Swaps", "RefusedModels"] :
  name => ["RideScoring", name, "service", var.service] }

  charts = [
    {
      title = "Rides in, and what came of them", stat = "Sum"
      metrics = [
        ["AWS/Kinesis", "IncomingRecords", "StreamName", var.events_stream, { label = "records that arrived" }],
        concat(local.own_metric.Records, [{ label = "records read" }]),
        concat(local.own_metric.Events, [{ label = "rides scored or rejected" }]),
        concat(local.own_metric.Predictions, [{ label = "predictions" }]),
        concat(local.own_metric.Rejects, [{ label = "rejects" }]),
        ["AWS/Kinesis", "IncomingRecords", "StreamName", var.predictions_stream, { label = "records that went out" }],
      ]
    },
    {
      title = "How long rides wait for the function (iterator age, ms)", stat = "Maximum"
      metrics = [
        ["AWS/Lambda", "IteratorAge", "FunctionName", var.function_name],
      ]
    },
    {
      title = "From arrival to scored (ms)", stat = "Average"
      metrics = [
        concat(local.own_metric.ArrivalToScoredP50, [{ label = "median of a batch" }]),
        concat(local.own_metric.ArrivalToScoredMax, [{ label = "slowest of all", stat = "Maximum" }]),
      ]
    },
    {
      title = "One batch (ms)", stat = "p50"
      metrics = [
        concat(local.own_metric.BatchTime, [{ label = "p50" }]),
        concat(local.own_metric.BatchTime, [{ label = "p99", stat = "p99" }]),
        ["AWS/Lambda", "Duration", "FunctionName", var.function_name, { label = "billed, p50" }],
      ]
    },
    {
      title = "Rejects by reason", stat = "Sum"
      metrics = [
        [{ expression = "SEARCH('{RideScoring,service,reason} MetricName=\"RejectsByReason\" service=\"${var.service}\"', 'Sum', 60)", id = "reasons" }],
      ]
    },
    {
      title = "What fails", stat = "Sum"
      metrics = [
        ["AWS/Lambda", "Errors", "FunctionName", var.function_name, { label = "errors" }],
        concat(local.own_metric.BatchesNotDone, [{ label = "batches retried" }]),
        ["AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", var.event_source_uuid, { label = "records set aside" }],
        ["AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", var.event_source_uuid, { label = "records dropped" }],
        concat(local.own_metric.RefusedModels, [{ label = "models refused" }]),
      ]
    },
    {
      title = "What is refused for want of capacity", stat = "Sum"
      metrics = [
        ["AWS/Lambda", "Throttles", "FunctionName", var.function_name, { label = "batches, by Lambda" }],
        ["AWS/Kinesis", "WriteProvisionedThroughputExceeded", "StreamName", var.events_stream, { label = "records, by the events stream" }],
        ["AWS/Kinesis", "PutRecords.ThrottledRecords", "StreamName", var.predictions_stream, { label = "records, by the predictions stream" }],
        concat(local.own_metric.Retries, [{ label = "predictions sent again" }]),
      ]
    },
    {
      title = "Starts and models", stat = "Sum"
      metrics = [
        concat(local.own_metric.ColdStarts, [{ label = "cold starts" }]),
        concat(local.own_metric.Swaps, [{ label = "models swapped" }]),
        ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", var.function_name, { label = "batches at once", stat = "Maximum" }],
      ]
    },
  ]

  widgets = concat(
    [for index, chart in local.charts : {
      type = "metric", x = index % 2 * 12, y = floor(index / 2) * 6, width = 12, height = 6
      properties = {
        title  = chart.title, stat = chart.stat, metrics = chart.metrics
        region = data.aws_region.current.id, period = 60, view = "timeSeries", yAxis = { left = { min = 0 } }
      }
    }],
    [{
      type = "log", x = 0, y = ceil(length(local.charts) / 2) * 6, width = 24, height = 6
      properties = {
        title  = "Model version that scored"
        region = data.aws_region.current.id
        view   = "table"
        query  = "SOURCE '${var.log_group}' | filter ispresent(model_version) | stats sum(predicted) as rides, min(@timestamp) as first, max(@timestamp) as last by model_version | sort last desc"
      }
    }],
    [{
      type = "alarm", x = 0, y = ceil(length(local.charts) / 2) * 6 + 6, width = 24, height = 3
      properties = {
        title  = "Alarms"
        alarms = concat(values(aws_cloudwatch_metric_alarm.simple)[*].arn, values(aws_cloudwatch_metric_alarm.ratio)[*].arn, [aws_cloudwatch_composite_alarm.silence.arn])
      }
    }],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}

# While a new version of the function is tried: whether to go back.
locals {
  canary_own = {
    namespace  = "RideScoring"
    dimensions = { service = var.service, function_version = try(var.canary.version, "none") }
  }
  canary_lambda = {
    namespace = "AWS/Lambda"
    dimensions = {
      FunctionName    = var.function_name
      Resource        = "${var.function_name}:${var.alias}"
      ExecutedVersion = try(var.canary.version, "none")
    }
  }

  # One alarm for each way to fail, as a version that dies at once never counts a batch: Lambda's own
  # metric must not wait for ours. One bad minute of the last five is enough: the newest ones come late,
  # and are looked at again.
  canary_simple_alarms = var.canary == null ? {} : {
    canary-errors = {
      of          = local.canary_lambda, metric = "Errors", statistic = "Sum", minutes = 1, out_of = 5, threshold = 0
      description = "Version ${var.canary.version} of the function, which is being tried, ends in errors or timeouts: go back."
    }
    canary-batches-not-done = {
      of          = local.canary_own, metric = "BatchesNotDone", statistic = "Sum", minutes = 1, out_of = 5, threshold = 0
      description = "Version ${var.canary.version} of the function, which is being tried, leaves batches to be retried: go back."
    }
  }

  canary_ratio_alarms = var.canary == null ? {} : {
    canary-rejects = {
      minutes     = 1
      out_of      = 5
      expression  = "IF(events > 0, 100 * rejects / events, 0)"
      threshold   = var.thresholds.reject_share * 100
      description = "Version ${var.canary.version} of the function, which is being tried, rejects more than ${var.thresholds.reject_share * 100} % of its rides: go back."
      metrics = {
        rejects = { of = local.canary_own, metric = "Rejects" }
        events  = { of = local.canary_own, metric = "Events" }
      }
    }
  }
}

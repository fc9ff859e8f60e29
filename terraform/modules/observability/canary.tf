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

  canary_alarm = var.canary == null ? {} : {
    canary = {
      # One bad minute of the last five: the newest ones come late, and are looked at again.
      minutes     = 1
      out_of      = 5
      expression  = "IF(FILL(errors, 0) + FILL(not_done, 0) > 0 OR FILL(rejects, 0) > ${var.thresholds.reject_share} * FILL(records, 0), 1, 0)"
      threshold   = 0
      description = "Version ${var.canary.version}, which is being tried, fails on batches or rejects too many rides: go back."
      metrics = {
        errors   = { of = local.canary_lambda, metric = "Errors" }
        not_done = { of = local.canary_own, metric = "BatchesNotDone" }
        rejects  = { of = local.canary_own, metric = "Rejects" }
        records  = { of = local.canary_own, metric = "Records" }
      }
    }
  }
}

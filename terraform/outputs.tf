output "events_stream_name" {
  description = "Stream that takes ride events."
  value       = module.events_stream.name
}

output "predictions_stream_name" {
  description = "Stream that predictions come out of."
  value       = module.predictions_stream.name
}

output "model_bucket" {
  description = "Bucket of the model store."
  value       = module.models_bucket.name
}

output "rejects_bucket" {
  description = "Bucket of rejected and failed rides."
  value       = module.rejects_bucket.name
}

output "function_name" {
  description = "The function."
  value       = module.scoring_function.name
}

output "event_source_uuid" {
  description = "The mapping's identity: another one reads the stream from starting_position on."
  value       = module.event_source.uuid
}

output "function_version" {
  description = "Version of the function that serves: what canary.stable_version is set to before a new one is tried."
  value       = module.scoring_function.live_version
}

output "newest_function_version" {
  description = "Version of the function that was published last."
  value       = module.scoring_function.newest_version
}

output "package_sha256" {
  description = "SHA-256 of the function's zip in hex, as `make package` and `sha256sum` print it; null where a container image is deployed."
  value       = module.scoring_function.package_sha256
}

output "policy_arns" {
  description = "Policies for those around the function: producer, reader, publisher, redriver."
  value       = { for name, policy in aws_iam_policy.around : name => policy.arn }
}

output "alarm_topic_arn" {
  description = "Topic that alarms go to."
  value       = module.observability.topic_arn
}

output "environment" {
  description = "What the simulator and the publisher read: eval \"$(terraform output -raw environment)\"."
  value       = <<-EOT
    export EVENTS_STREAM_NAME=${module.events_stream.name}
    export PREDICTIONS_STREAM_NAME=${module.predictions_stream.name}
    export MODEL_BUCKET=${module.models_bucket.name}
    export REJECTS_BUCKET=${module.rejects_bucket.name}
    export MODEL_NAME=${var.model_name}
    export MODEL_ALIAS=${var.model_alias}
    export SHADOW_ALIAS=${var.shadow_alias}
    export ENHANCED_FAN_OUT=${var.enhanced_fan_out}
    export RECORD_AGE_SECONDS=${var.record_age_seconds}
    export FUNCTION_NAME=${module.scoring_function.name}
  EOT
}

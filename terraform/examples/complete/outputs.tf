output "environment" {
  description = "What the simulator and the publisher read."
  value       = module.ride_scoring.environment
}

output "function_name" {
  description = "The function."
  value       = module.ride_scoring.function_name
}

output "function_version" {
  description = "Version of the function that serves."
  value       = module.ride_scoring.function_version
}

output "newest_function_version" {
  description = "Version of the function that was published last."
  value       = module.ride_scoring.newest_function_version
}

output "alarm_topic_arn" {
  description = "Topic that alarms go to."
  value       = module.ride_scoring.alarm_topic_arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "alias" {
  description = "Alias that serves: its name, and its ARN once the role may do what the function does."
  value       = { name = aws_lambda_alias.live.name, arn = aws_lambda_alias.live.arn }

  depends_on = [aws_iam_role_policy.this] # Lambda checks that the role may read the stream
}

output "newest_version" {
  description = "Number of the version that was published last."
  value       = aws_lambda_function.this.version
}

output "live_version" {
  description = "Number of the version that serves, or most of it while another is tried."
  value       = aws_lambda_alias.live.function_version
}

output "package_sha256" {
  description = "SHA-256 of the zip in hex, as `make package` and `sha256sum` print it; null for an image."
  value       = local.package_exists ? local.package_sha256 : null
}

output "role_arn" {
  description = "ARN of the role that the function has."
  value       = aws_iam_role.this.arn
}

output "log_group" {
  description = "Name of the group of its logs."
  value       = aws_cloudwatch_log_group.this.name
}

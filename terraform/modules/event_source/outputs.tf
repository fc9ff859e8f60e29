output "uuid" {
  description = "The mapping's identity, which is the dimension of its metrics and part of the keys of what it sets aside."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "name" {
  description = "Name of the stream."
  value       = aws_kinesis_stream.this.name
}

output "arn" {
  description = "ARN of the stream, known once it stands."
  value       = aws_kinesis_stream.this.arn
}

output "consumer_arns" {
  description = "ARN of each consumer with enhanced fan-out, by its name."
  value       = { for name, consumer in aws_kinesis_stream_consumer.this : name => consumer.arn }
}

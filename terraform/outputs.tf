output "events_stream_name" {
  description = "Stream that takes ride events."
  value       = aws_kinesis_stream.this[local.events_stream].name
}

output "predictions_stream_name" {
  description = "Stream that predictions come out of."
  value       = aws_kinesis_stream.this[local.predictions_stream].name
}

output "model_bucket" {
  description = "Bucket of the model store."
  value       = aws_s3_bucket.models.id
}

output "rejects_bucket" {
  description = "Bucket of rejected and failed rides."
  value       = aws_s3_bucket.rejects.id
}

output "function_name" {
  description = "The function."
  value       = aws_lambda_function.scoring.function_name
}

output "environment" {
  description = "What the simulator and the publisher read: eval \"$(terraform output -raw environment)\"."
  value       = <<-EOT
    export EVENTS_STREAM_NAME=${aws_kinesis_stream.this[local.events_stream].name}
    export PREDICTIONS_STREAM_NAME=${aws_kinesis_stream.this[local.predictions_stream].name}
    export MODEL_BUCKET=${aws_s3_bucket.models.id}
    export REJECTS_BUCKET=${aws_s3_bucket.rejects.id}
  EOT
}

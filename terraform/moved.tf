# Where things stood before there were modules, under the default name: nothing of them is replaced.
moved {
  from = aws_kinesis_stream.this["ride-events"]
  to   = module.events_stream.aws_kinesis_stream.this
}

moved {
  from = aws_kinesis_stream.this["ride-predictions"]
  to   = module.predictions_stream.aws_kinesis_stream.this
}

moved {
  from = aws_s3_bucket.models
  to   = module.models_bucket.aws_s3_bucket.this
}

moved {
  from = aws_s3_bucket_public_access_block.this["models"]
  to   = module.models_bucket.aws_s3_bucket_public_access_block.this
}

moved {
  from = aws_s3_bucket.rejects
  to   = module.rejects_bucket.aws_s3_bucket.this
}

moved {
  from = aws_s3_bucket_public_access_block.this["rejects"]
  to   = module.rejects_bucket.aws_s3_bucket_public_access_block.this
}

moved {
  from = aws_s3_object.package
  to   = module.scoring_function.aws_s3_object.package[0]
}

moved {
  from = aws_cloudwatch_log_group.scoring
  to   = module.scoring_function.aws_cloudwatch_log_group.this
}

moved {
  from = aws_iam_role.scoring
  to   = module.scoring_function.aws_iam_role.this
}

moved {
  from = aws_iam_role_policy.scoring
  to   = module.scoring_function.aws_iam_role_policy.this
}

moved {
  from = aws_lambda_function.scoring
  to   = module.scoring_function.aws_lambda_function.this
}

moved {
  from = aws_lambda_alias.live
  to   = module.scoring_function.aws_lambda_alias.live
}

moved {
  from = aws_lambda_event_source_mapping.events
  to   = module.event_source.aws_lambda_event_source_mapping.this
}

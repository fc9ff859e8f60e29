"""The simulated services around the function: clock, Kinesis, S3 and Lambda."""

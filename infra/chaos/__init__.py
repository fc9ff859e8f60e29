"""What goes wrong on purpose: functions killed, calls of S3 and Kinesis answered wrongly, models
moved; rides in while it does, and a count of what came of them out."""

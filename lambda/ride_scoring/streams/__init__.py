"""Kinesis: Lambda's events, aggregated records, PutRecords, and what is rejected."""

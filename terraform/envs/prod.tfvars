# Real traffic: 3,000 rides a second, with room for uneven ones, and a week to look back.
name         = "ride-prod"
architecture = "arm64" # a fifth cheaper

events_shards      = 4
predictions_shards = 4
output_aggregation = "kpl" # many predictions in a record: fewer shards, and fewer payload units
retention_hours    = 168   # a weekend with nobody there, and time to send again
record_age_seconds = 86400 # a day without a model before rides are set aside
shard_metrics      = ["IncomingBytes", "IncomingRecords", "WriteProvisionedThroughputExceeded"]

memory_mb              = 1769 # one whole processor
batch_size             = 1000
parallelization_factor = 2
tracing                = true
log_retention_days     = 90

rejects_retention_days = 365

# alarm_emails = ["on-call@example.com"] # nobody is told otherwise: name someone

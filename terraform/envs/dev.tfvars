# An account to learn in: `terraform destroy` takes everything away, rejected rides too.
discard_rejects           = true
noncurrent_retention_days = 1
rejects_retention_days    = 7

# An account to learn in: `terraform destroy` takes everything away, rejected rides too, so nothing
# has to be deleted by its age.
discard_models            = true
discard_rejects           = true
noncurrent_retention_days = null
rejects_retention_days    = null

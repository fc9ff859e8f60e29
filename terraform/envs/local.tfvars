# LocalStack on this machine: nothing here is worth keeping, and nothing is secret.
discard_models        = true
discard_rejects       = true
model_refresh_seconds = 1 # whoever plays with aliases here wants to see them move

# What the provider waits for: ten seconds to encrypt a stream, most of a minute for a lifecycle.
encrypt_streams           = false
noncurrent_retention_days = null
rejects_retention_days    = null

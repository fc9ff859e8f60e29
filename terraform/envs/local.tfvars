# LocalStack on this machine: nothing here is worth keeping, and nothing is secret.
encrypt_streams       = false # encrypting takes the provider ten seconds more
discard_rejects       = true
model_refresh_seconds = 1 # whoever plays with aliases here wants to see them move

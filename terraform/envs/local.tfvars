# LocalStack on this machine: nothing here is worth keeping, and nothing is secret.
stream_kms_key_id = null # encrypting takes the provider ten seconds more a stream
discard_rejects   = true

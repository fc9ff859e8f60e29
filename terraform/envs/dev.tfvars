# An account to learn in: `terraform destroy` takes everything away, rejected rides too.
discard_rejects = true

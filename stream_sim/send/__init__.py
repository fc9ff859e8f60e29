"""`python -m stream_sim send`: options ▸ plan ▸ one or more processes, each with its own riders,
producer and ledger."""

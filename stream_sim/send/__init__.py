"""`python -m stream_sim send`: options ▸ plan ▸ one process or several, each with riders, producer
and ledger of its own."""

"""Reading from and writing to Kinesis, for send, verify, watch and redrive."""

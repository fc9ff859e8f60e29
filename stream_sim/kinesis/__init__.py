"""Reading from Kinesis and writing to it, for all who send, verify, watch and redrive."""

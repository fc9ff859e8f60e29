"""The simulated event source mapping, which reads shards and invokes the function."""

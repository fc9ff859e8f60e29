"""Live view of a deployment's two streams, rejects and failures, as a page or as lines."""

"""A live look at a deployment: its two streams and what was set aside in, a page or lines out."""

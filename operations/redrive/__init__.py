"""What was set aside in, the events stream out, once: rejects, and what Lambda gave up on.

options ▸ documents ▸ sender ▸ marks, one redrive at a time by a claim. Marks and claim lie in the
rejects bucket, so it does not matter from which machine a redrive is repeated.
"""

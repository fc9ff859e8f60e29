"""Resends rejects, and records that Lambda gave up on, to the events stream, once.

options ▸ documents ▸ sender ▸ marks; a claim allows one redrive at a time. Marks and claim are kept
in the rejects bucket, so a redrive can be repeated from any machine.
"""

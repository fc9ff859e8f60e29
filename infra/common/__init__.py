"""Shared by all parts: console, paths, child processes, ports, buckets, the function here."""

"""Shared by all parts: console, paths, child processes, buckets."""

"""What every part stands on: console, paths, child processes, buckets."""

"""LocalStack without Docker: Lambda functions as local processes, Kinesis from moto.

For trusted code on one's own machine: a process has no memory limit and no isolation.
"""

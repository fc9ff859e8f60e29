"""AWS service quotas in us-east-1, unless raised, with their sources."""

from typing import Final

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS_A_SECOND: Final = 1_000
SHARD_BYTES_A_SECOND: Final = 1024 * 1024
"""Ingress. Egress is twice that, so a single reader is never the first limit."""
SHARDS_AN_ACCOUNT: Final = 20_000
ON_DEMAND_BYTES_A_SECOND: Final = 10 * 1000**3
"""Per stream in us-east-1, us-west-2 and eu-west-1; elsewhere a fiftieth until raised."""
ON_DEMAND_RECORDS_A_SECOND: Final = 10_000_000
"""A thousand per MB, as for a new stream: AWS documents only bytes."""
ON_DEMAND_FIRST_SHARDS: Final = 4
"""Initial capacity of an on-demand stream: 4 MB and 4,000 records per second."""

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
CONCURRENCY_AN_ACCOUNT: Final = 1_000
"""For all functions together. New accounts have less until they are used or AWS raises it."""
UNRESERVED_CONCURRENCY: Final = 100
"""Always left for functions without a reservation: it cannot be reserved or provisioned.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
PAYLOAD_BYTES: Final = 6 * 1024 * 1024
MEMORY_OF_A_PROCESSOR_MB: Final = 1_769
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
MOST_PARALLELIZATION: Final = 10

POLLS_A_SECOND: Final = 1.0
"""Base rate at which Lambda polls a shard with a standard iterator; while more records than fit in
a batch are waiting, it polls again at once:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CostOptimization_StreamsUsage.html
"""
FAN_OUT_READS_A_SECOND: Final = 14.0
"""With enhanced fan-out, records are pushed 70 ms after they arrive:
https://docs.aws.amazon.com/streams/latest/dev/enhanced-consumers.html"""

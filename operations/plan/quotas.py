"""What AWS's services take, in us-east-1 and unless a quota was raised; each with its page."""

from typing import Final

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_RECORDS_A_SECOND: Final = 1_000
SHARD_BYTES_A_SECOND: Final = 1024 * 1024
"""In. Out it gives twice that, so one reader is never what gives out first."""
SHARDS_AN_ACCOUNT: Final = 20_000
ON_DEMAND_BYTES_A_SECOND: Final = 10 * 1000**3
"""Of one stream in us-east-1, us-west-2 and eu-west-1; elsewhere a fiftieth until it is raised."""
ON_DEMAND_RECORDS_A_SECOND: Final = 10_000_000
"""A thousand for each MB, as a new stream has: AWS gives bytes alone."""
ON_DEMAND_FIRST_SHARDS: Final = 4
"""What a new on-demand stream takes at once: 4 MB and 4,000 records a second."""

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
CONCURRENCY_AN_ACCOUNT: Final = 1_000
"""Of all functions together. A new account has fewer until it is used, or until AWS raises it."""
UNRESERVED_CONCURRENCY: Final = 100
"""So many stay for functions without a reservation: what is reserved or provisioned leaves them.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
PAYLOAD_BYTES: Final = 6 * 1024 * 1024
MEMORY_OF_A_PROCESSOR_MB: Final = 1_769
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
MOST_PARALLELIZATION: Final = 10

POLLS_A_SECOND: Final = 1.0
"""How often Lambda asks a shard for records, by a standard iterator, at its base rate; while there
is more than a batch holds, it goes on at once:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CostOptimization_StreamsUsage.html
"""
FAN_OUT_READS_A_SECOND: Final = 14.0
"""With enhanced fan-out records are pushed, 70 ms after they came:
https://docs.aws.amazon.com/streams/latest/dev/enhanced-consumers.html"""

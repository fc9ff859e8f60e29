"""A Kinesis stream, its event source mapping and Lambda, simulated on a clock of their own.

One seed, one history: a `schedule` is drawn from it, a `history` runs the function through it, and
`properties` say whether anything was lost, or silently wrong. No network, no threads, no waiting.
"""

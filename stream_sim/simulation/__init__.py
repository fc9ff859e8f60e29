"""A Kinesis stream, its event source mapping and Lambda, simulated on a virtual clock.

One seed, one history: a `schedule` is drawn from it, a `history` runs the function through it, and
`properties` check whether anything was lost or silently wrong. No network, threads or waiting.
"""

"""The function: ride events in, predicted ride durations out.

handler ▸ kinesis_event ▸ decode ▸ features ▸ model ▸ predictions ▸ sink, and rejects to S3.
"""

"""Fault injection: kills functions, corrupts S3 and Kinesis calls and moves models while rides are
sent, then accounts for every ride."""

"""What is sent: arrival times, the rides that arrive, and the faults that some of them have."""

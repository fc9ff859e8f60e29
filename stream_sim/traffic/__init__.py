"""What is sent: arrival times, the rides that arrive, and the faults injected into some."""

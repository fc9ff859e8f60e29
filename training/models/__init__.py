"""Models of ride durations: two baselines and the candidate."""

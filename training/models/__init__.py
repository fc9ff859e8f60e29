"""Trips in, fitted models of ride durations out: two baselines and the candidate."""

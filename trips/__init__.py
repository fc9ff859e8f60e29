"""Taxi trips: TLC's records, profiles that rides are drawn from, rules for training data."""

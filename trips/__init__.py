"""Taxi trips: TLC records, profiles for sampling rides, and rules for training data."""

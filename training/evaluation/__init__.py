"""Evaluates a model on trips and its predicted minutes: figures, verdicts and pages.

Nothing here reads a file or depends on MLflow; logging results is up to the caller.
"""

"""Operates a deployment: plan its cost, watch it, redrive rejected and failed records."""

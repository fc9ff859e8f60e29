"""Histories of faults: drawn, run, checked against properties, and shrunk."""

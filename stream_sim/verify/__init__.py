"""Accounts for a run from its ledger and outcomes: no ride is left unexplained.

ledger ▸ rides (a row for each) ◂ predictions, rejects, failures; then account ▸ findings ▸ report.
"""

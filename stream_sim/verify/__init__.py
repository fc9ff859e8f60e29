"""A run's ledger and what came of it in, the account out: no ride is left unexplained.

ledger ▸ rides (a row for each) ◂ predictions, rejects, failures; then account ▸ findings ▸ report.
"""

"""The simulator: rides ▸ faults ▸ producer ▸ ledger, and reader ▸ outcomes ▸ reconciliation."""

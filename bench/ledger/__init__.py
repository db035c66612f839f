"""A table that is saved in four ways, for the row `ledger`."""

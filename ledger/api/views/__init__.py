"""The ledger over HTTP, a module per noun."""

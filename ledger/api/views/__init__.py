"""The REST API of the ledger, a module per noun."""

"""The HTTP interface of the ledger: authentication, permissions, API keys."""

"""The shapes of the ledger on the wire, a module per noun."""

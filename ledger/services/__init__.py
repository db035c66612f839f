"""The services of the ledger. One public service is one durable transaction."""

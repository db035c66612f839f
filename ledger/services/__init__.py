"""What can be done in the ledger. One public service is one durable transaction."""

"""Network transports to witnesses: copies checkpoints of the ledger over HTTP and to S3."""

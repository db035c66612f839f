"""Ways to witnesses over the network: checkpoints of the ledger, by HTTP and to S3."""

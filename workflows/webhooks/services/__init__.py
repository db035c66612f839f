"""What may be done to webhooks, a transaction each."""

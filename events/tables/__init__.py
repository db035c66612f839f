"""What migrations are built of, and how a database tells which of them it has applied."""

"""The HTTP interface of webhooks."""

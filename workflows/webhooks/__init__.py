"""Outgoing webhooks: subscriptions to events, with durable delivery."""

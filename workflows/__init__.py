"""Durable execution: flows, webhooks, and the work queue under both."""

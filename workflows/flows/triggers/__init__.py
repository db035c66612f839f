"""Triggers: starts of flows by cron rules and on events."""

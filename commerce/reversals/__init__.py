"""Reversal commands of commerce: load what a plan needs, and call the service that does it."""

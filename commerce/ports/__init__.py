"""Ports to external systems, and their HTTP adapters."""

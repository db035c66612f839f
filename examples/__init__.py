"""Runnable examples: simulated external systems for the demo."""

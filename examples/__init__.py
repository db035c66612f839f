"""Runnable examples: other people's systems, as far as Daybook needs to see them."""

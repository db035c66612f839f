"""Commands of the trade."""

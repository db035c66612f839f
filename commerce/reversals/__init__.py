"""How the acts of the trade are undone: what is looked at, and which service does it."""

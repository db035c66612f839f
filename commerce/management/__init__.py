"""Management commands of commerce."""

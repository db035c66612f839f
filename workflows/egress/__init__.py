"""Outgoing HTTP to addresses that other people choose. The only way out of the product."""

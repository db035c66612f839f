"""Pure rules of the trade: no Django, no I/O, no clock, no randomness."""

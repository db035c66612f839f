"""Pure business rules: no Django, no I/O, no clock, no randomness."""

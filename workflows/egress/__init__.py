"""The only way out: HTTP to addresses that other people choose. Knows nothing of who calls."""

"""Private data, as it is kept: keys, encrypted values, payloads, and words beside an entry."""

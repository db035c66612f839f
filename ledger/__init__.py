"""Who did it, by what authority, and can it be undone."""

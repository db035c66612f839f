"""Settings: `base` holds all of it, the others only override."""

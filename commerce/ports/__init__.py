"""Other people's systems: what we ask of them, and how we ask over HTTP."""

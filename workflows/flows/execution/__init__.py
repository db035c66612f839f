"""The engine: a command is decided, recorded, and becomes work, in one commit."""

"""Reversals: by which command an action is undone, what that would do, and what was undone."""

"""The ledger of actions: who did it, by what authority, and whether it can be undone."""

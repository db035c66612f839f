"""The invariants of the ledger, for the doctor."""

"""Seals: entries in a signed Merkle tree, its export, and its copies at witnesses."""

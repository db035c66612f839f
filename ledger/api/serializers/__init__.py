"""Serializers of the ledger, a module per noun."""

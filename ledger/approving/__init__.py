"""Approvals: requested where a policy demands one, given by other people, used once."""

"""Erasure of a person: every place of their data, how it is searched, and the certificate."""

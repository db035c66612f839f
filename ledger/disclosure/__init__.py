"""Disclosure of private data: why somebody looks, what is on record first, what is masked."""

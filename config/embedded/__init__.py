"""Embedded PostgreSQL and Valkey, from wheels. Standard library only until they run."""

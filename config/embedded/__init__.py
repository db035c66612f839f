"""PostgreSQL and Valkey from wheels, for who has no servers. Standard library until they run."""

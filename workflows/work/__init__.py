"""The durable to-do list: what must still happen."""

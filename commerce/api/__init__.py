"""The REST API of commerce, under /api/v1/."""

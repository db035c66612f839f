"""The trade over HTTP, under /api/v1/."""

"""Serializers of commerce: …In for requests, …Out for responses."""

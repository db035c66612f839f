"""Streams, positions and the in-process bus: what happened. Imports no other app."""

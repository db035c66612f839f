"""Flows as pages need them: graphs, times, provenance and forms, made of states and events."""

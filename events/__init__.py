"""The event log: streams, positions, the in-process bus, live feeds. Imports no other app."""

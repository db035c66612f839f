"""View models of flows: graphs, waterfall, provenance and forms, from states and events."""

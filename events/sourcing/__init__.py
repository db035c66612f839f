"""Event-sourced aggregates: from a command to events, and from events to a state."""

"""The events of commerce: meaning and schema of each."""

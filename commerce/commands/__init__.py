"""The commands of commerce: actions that can be executed by name, through the same services."""

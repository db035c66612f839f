"""CEL, the Common Expression Language, compiled to closures that look at their own time."""

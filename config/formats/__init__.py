"""How times are written where Django writes them: with their zone."""

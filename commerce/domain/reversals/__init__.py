"""Plans of reversals: the effects of undoing an action. Pure, one module per noun."""

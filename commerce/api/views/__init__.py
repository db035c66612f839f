"""Forms in, one call down, shapes out. Views hold no rule of the trade."""

"""Leave of somebody else: asked for where it is needed, given by people, used once."""

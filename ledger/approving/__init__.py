"""Approvals of somebody else: asked for where they are needed, given by people, used once."""

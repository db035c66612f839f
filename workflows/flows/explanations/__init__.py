"""Explanations: why a flow or a step stands as it does, and what a plan would do."""

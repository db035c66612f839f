"""Test wiring: pytest plugins and fixtures, never imported by the product."""

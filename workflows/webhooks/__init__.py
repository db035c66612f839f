"""Telling other systems what happened, durably."""

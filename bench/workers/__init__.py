"""The other processes of the row `workers`."""

"""What undoing the acts of the trade would do: pure plans, one module per noun."""

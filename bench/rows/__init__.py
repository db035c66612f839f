"""One module per row of the table: `sides(options)` returns what is to be compared."""

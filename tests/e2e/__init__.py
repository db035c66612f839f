"""A package, so that a fixture can be one for all of it."""

"""Private data: encrypted, read on the record, and erased without breaking a seal."""

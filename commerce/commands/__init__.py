"""What can be done to the trade by name: the same services that its pages and the API call."""

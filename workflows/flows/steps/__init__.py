"""What the steps of each type do: calls, functions, child flows, waits, approvals."""

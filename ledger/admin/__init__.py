"""The ledger in the admin: everything can be looked at, and changed only through services."""

from ledger.admin import agents, api_keys, approvals, entries  # noqa: F401 - importing registers.

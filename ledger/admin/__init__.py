"""The ledger in the admin: everything can be looked at, and changed only through services."""

from ledger.admin import agents, api_keys, entries  # noqa: F401 - importing registers.

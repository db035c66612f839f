"""The ledger in the admin: read-only pages, with actions that call services."""

from ledger.admin import (  # noqa: F401 - importing registers.
    agents,
    api_keys,
    approvals,
    bookkeeping,
    entries,
    erasures,
    reversals,
    users,
)

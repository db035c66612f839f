"""The ledger in the admin: everything can be looked at, and changed only through services."""

from ledger.admin import (  # noqa: F401 - importing registers.
    agents,
    api_keys,
    approvals,
    bookkeeping,
    entries,
    erasures,
    reversals,
)

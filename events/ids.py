"""Generates ids in the application, so that a caller knows an id before its row exists."""

import random
import secrets
import time
from uuid import UUID

from events.domain.ids import uuid7, uuid7_as_integer


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return uuid7(unix_ns=time.time_ns(), random_bits=secrets.randbits(62))


def uuid_of(text: str) -> UUID | None:
    """Return the UUID that `text` spells, or None if it is no UUID."""
    try:
        return UUID(text)
    except ValueError:
        return None


def new_event_id() -> str:
    """Return a fresh `evt_…` id. It grants no access, so it need not be unguessable."""
    return f"evt_{_name():032x}"


def new_event_ids(count: int) -> list[str]:
    """Return so many fresh ids, which follow one another, for events that are recorded together."""
    # One random bit less than there is room for, so that counting on never runs over.
    first = uuid7_as_integer(unix_ns=time.time_ns(), random_bits=random.getrandbits(61))
    return [f"evt_{name:032x}" for name in range(first, first + count)]


def new_correlation_id() -> str:
    """Return a fresh `cor_…` id, which grants no access either."""
    return f"cor_{_name():032x}"


def _name() -> int:
    # Seeded by the system, and anew in a child; a call of the system for each takes as long as
    # all the rest.
    return uuid7_as_integer(unix_ns=time.time_ns(), random_bits=random.getrandbits(62))

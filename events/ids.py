"""Make ids. Application-side, so that a caller knows its id before the row exists."""

import random
import secrets
import time
from uuid import UUID

from events.domain.ids import uuid7, uuid7_as_integer


def new_id() -> UUID:
    """Return a fresh UUIDv7."""
    return uuid7(unix_ns=time.time_ns(), random_bits=secrets.randbits(62))


def uuid_of(text: str) -> UUID | None:
    """Return the UUID that `text` spells, or None: then nothing has it for an id."""
    try:
        return UUID(text)
    except ValueError:
        return None


def new_event_id() -> str:
    """Return a fresh `evt_…` id. It names, and opens nothing: nobody has to be unable to guess."""
    return f"evt_{_name():032x}"


def new_correlation_id() -> str:
    """Return a fresh `cor_…` id, which opens nothing either."""
    return f"cor_{_name():032x}"


def _name() -> int:
    # Seeded by the system, and anew in a child; a call of the system for each takes as long as
    # all the rest.
    return uuid7_as_integer(unix_ns=time.time_ns(), random_bits=random.getrandbits(62))

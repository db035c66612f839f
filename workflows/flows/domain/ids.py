"""Step and flow ids as Argyll makes them."""

import hashlib
import re
from functools import lru_cache

from events.domain.principal import Principal, PrincipalKind
from events.domain.streams import KEY_CHARS_MAX

FLOW_ID_BYTES_MAX = 256
STEP_ID_BYTES_MAX = 256
CHILD_SEPARATOR = ":"
CHILD_ID_CHARS_MAX = KEY_CHARS_MAX - len("flow//")
"""What the key of a flow's stream has room for."""

_RECORDED_CHARS_MAX = 180
_CUT = "~"

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_.\-+ ]")


def sanitized(raw: str) -> str:
    """Return `raw` as an id: lower case, allowed characters only, blanks as hyphens."""
    kept = _FORBIDDEN.sub("", raw.lower())
    return kept.replace(" ", "-").strip("-")


def is_clean(raw: str) -> bool:
    """Return whether `raw` has only characters an id may have."""
    return _FORBIDDEN.search(raw) is None


def is_storable(raw: str) -> bool:
    """Return whether PostgreSQL can store this text."""
    return "\0" not in raw


def child_flow_id(*, parent: str, step: str, token: str) -> str:
    """Name the flow that runs for one work item of a flow step."""
    return CHILD_SEPARATOR.join((parent, step, token))


@lru_cache(maxsize=1_024)
def recorded_as(id_: str) -> str:
    """Return a flow or step id as records of limited width have it: itself, if it is short.

    A long one is cut and made unique by its digest. No id has the sign that joins the two.
    """
    if len(id_) <= _RECORDED_CHARS_MAX:
        return id_
    digest = hashlib.sha256(id_.encode()).hexdigest()
    return f"{id_[: _RECORDED_CHARS_MAX - len(digest) - 1]}{_CUT}{digest}"


def beginning_of(recorded: str) -> str | None:
    """Return the prefix of an id that `recorded_as` has cut; None if it was not cut."""
    beginning, cut, _ = recorded.partition(_CUT)
    return beginning if cut else None


@lru_cache(maxsize=1_024)
def principal_of(flow_id: str) -> Principal:
    """Return the principal as which the flow acts."""
    return Principal(kind=PrincipalKind.WORKFLOW, id=recorded_as(flow_id))

"""Step and flow ids as Argyll makes them (spec §1.2)."""

import re

FLOW_ID_BYTES_MAX = 256
CHILD_SEPARATOR = ":"

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_.\-+ ]")


def sanitized(raw: str) -> str:
    """Return `raw` as an id: lower case, allowed characters only, blanks as hyphens."""
    kept = _FORBIDDEN.sub("", raw.lower())
    return kept.replace(" ", "-").strip("-")


def is_clean(raw: str) -> bool:
    """Tell whether `raw` has only characters an id may have."""
    return _FORBIDDEN.search(raw) is None


def child_flow_id(*, parent: str, step: str, token: str) -> str:
    """Name the flow that runs for one work item of a flow step."""
    return CHILD_SEPARATOR.join((parent, step, token))


def is_child(flow_id: str) -> bool:
    """Tell whether the engine made this id: clients cannot write a colon."""
    return CHILD_SEPARATOR in flow_id

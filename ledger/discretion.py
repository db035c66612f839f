"""Keep people out of what is written about actions, and out of sight where they are all the same.

Which people belong to a target is said by the room that owns it. Who may not open payloads is
shown reasons and comments without addresses and secrets.
"""

from collections.abc import Callable
from typing import Any

from events.domain.redaction import redact
from ledger import authority
from ledger.domain.action import Target

Watch = Callable[[str, str, str], None]
"""Takes the id of a target, a field and its text; refuses one that names people of the target."""

OPENS: str = "ledger.read_payload"
_WATCHES: dict[str, Watch] = {}


def declare_watch(type_: str, watch: Watch) -> None:
    """Say who may not be named in what is written about targets of a type."""
    assert _WATCHES.get(type_, watch) is watch, f"{type_} is watched twice"
    _WATCHES[type_] = watch


def check(target: Target, text: str, *, field: str) -> None:
    """Go on only if a text names nobody of its target.

    :raises DomainError: whatever the watch of the target's room refuses with.
    """
    watch = _WATCHES.get(target.type)
    if text and watch is not None:
        watch(target.id, field, text)


def shown(text: str, source: Any) -> str:
    """Return a reason or a comment as whoever asks may see it; without anybody, as all may."""
    masked = redact(text)
    if masked == text or source is None:
        return masked
    return text if authority.holds(source, OPENS) else masked

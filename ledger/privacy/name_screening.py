"""Screens free texts: refuses those that name people, masks what a reader may not see.

The app that owns a target declares which people belong to it. Readers who may not open payloads
see reasons and comments without addresses and secrets.
"""

from collections.abc import Callable
from typing import Any

from events.domain.redaction import redact
from ledger.access import authority
from ledger.domain.action import Target

Screen = Callable[[str, str, str], None]
"""Takes the id of a target, a field and its text; refuses one that names people of the target."""

OPENS: str = "ledger.read_payload"
_SCREENS: dict[str, Screen] = {}


def declare_screen(type_: str, screen: Screen) -> None:
    """Declare whose names may not occur in texts about targets of a type."""
    assert _SCREENS.get(type_, screen) is screen, f"{type_} is screened twice"
    _SCREENS[type_] = screen


def check_text(target: Target, text: str, *, field: str) -> None:
    """Check that a text names no person of its target.

    :raises DomainError: whatever the screen of the target's room refuses with.
    """
    screen = _SCREENS.get(target.type)
    if text and screen is not None:
        screen(target.id, field, text)


def redacted_for(text: str, source: Any) -> str:
    """Return a reason or a comment as the caller may see it; without a caller, as all may."""
    masked = redact(text)
    if masked == text or source is None:
        return masked
    return text if authority.holds(source, OPENS) else masked

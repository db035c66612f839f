"""Screens free texts: refuses those that name people.

The app that owns a target declares which people belong to it.
"""

from collections.abc import Callable

from ledger.domain.action import Target

Screen = Callable[[str, str, str], None]
"""Takes the id of a target, a field and its text; refuses one that names people of the target."""

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

"""Events that may revoke a permission: when one arrives, credentials are checked again at once."""

from events.domain import patterns

_changes: set[str] = set()


def change_with(*names: str) -> None:
    """Have every credential checked again when an event that matches `names` arrives."""
    _changes.update(patterns.checked(name) for name in names)


def changed_by(name: str) -> bool:
    """Whether an event `name` may revoke a permission."""
    return any(patterns.matches(pattern, name) for pattern in _changes)

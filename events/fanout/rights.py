"""Which events mean that somebody may now see less: rights are checked again at once."""

from events.domain import patterns

_changes: set[str] = set()


def change_with(*names: str) -> None:
    """Check every credential when an event with one of `names` (or patterns) comes by."""
    _changes.update(patterns.checked(name) for name in names)


def changed_by(name: str) -> bool:
    """Whether an event `name` is one of them."""
    return any(patterns.matches(pattern, name) for pattern in _changes)

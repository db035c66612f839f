"""One correlation as a tree: each event under the one that caused it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from events.domain.envelope import Envelope

DEPTH_MAX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An event and how far it is from the beginning of its story, as far as can be shown."""

    event: Envelope
    depth: int


def lines(events: Sequence[Envelope]) -> list[Line]:
    """Put each event under its cause; what has no cause in the story begins a line of its own.

    Causes come before their effects in the log, so the walk ends whatever the ids say.
    """
    known: set[str] = set()
    effects: dict[str | None, list[Envelope]] = {}
    for event in events:
        cause = event.causation_id if event.causation_id in known else None
        effects.setdefault(cause, []).append(event)
        known.add(event.event_id)
    return list(_walk(effects, None, 0))


def _walk(
    effects: dict[str | None, list[Envelope]], cause: str | None, depth: int
) -> Iterator[Line]:
    stack = [(event, depth) for event in reversed(effects.get(cause, []))]
    while stack:
        event, depth = stack.pop()
        yield Line(event=event, depth=min(depth, DEPTH_MAX))
        stack.extend((effect, depth + 1) for effect in reversed(effects.get(event.event_id, [])))

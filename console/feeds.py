"""The live list of events for templates: the current rows, and the position to resume from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from django.utils import timezone

from events import catalogue, explore, selectors
from events.domain.envelope import Envelope, Stream
from events.explore import Window

ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A page of events, newest first. `head`: live updates begin after this position."""

    label: str
    events: list[Envelope]
    has_older: bool
    head: int
    streams: Sequence[Stream]
    names: Sequence[str]
    category: str
    is_live: bool
    at: datetime
    empty_template: str

    @property
    def streams_json(self) -> str:
        """The subscription's `aggregate_ids`."""
        return json.dumps(self.streams)

    @property
    def names_json(self) -> str:
        """The subscription's `event_types`: whole names only, so patterns are spelt out."""
        return json.dumps(_spelt_out(self.names))

    @property
    def oldest(self) -> int | None:
        """Where the next page begins."""
        return self.events[-1].position if self.has_older else None


def feed(
    window: Window,
    *,
    label: str,
    empty_template: str = "console/events/_none.html",
) -> Feed:
    """Read a page of `window`; it is live unless it ends in the past."""
    at = timezone.now()
    # Before the events: whatever is recorded from here on comes by the live part as well.
    head = selectors.head_position()
    events = explore.latest(window, limit=ROWS + 1)
    newest = events[0].position if events else None
    return Feed(
        label=label,
        events=events[:ROWS],
        has_older=len(events) > ROWS,
        head=max(head, newest or 0),
        streams=window.streams or [],
        names=window.names,
        category=window.category.value if window.category else "",
        is_live=window.before is None and window.until is None,
        at=at,
        empty_template=empty_template,
    )


def _spelt_out(patterns: Sequence[str]) -> list[str]:
    if "*" in patterns:
        return []
    names = [type_.name for type_ in catalogue.all_types()]
    exact = [pattern for pattern in patterns if "*" not in pattern]
    wide = [pattern for pattern in patterns if "*" in pattern]
    found = [name for name in names if any(fnmatchcase(name, pattern) for pattern in wide)]
    return sorted({*exact, *found})

"""What the doctor looks at of a long log: its latest part, and one that is drawn anew each time.

Reading all of it takes longer than a statement may, from some million events on, and the snapshot
of such a read keeps the queues from being vacuumed. A doctor that comes often gets to all of it.
"""

import secrets
from dataclasses import dataclass
from typing import Final, LiteralString

from events import wire

SAMPLED_MAX: Final = 100_000
"""How many there are in each of the two parts. A log that is shorter is looked at as a whole."""

EVENTS: Final[LiteralString] = (
    "(SELECT * FROM events_event WHERE id > %(events_latest)s UNION ALL "
    "SELECT * FROM events_event WHERE id > %(events_drawn)s AND id <= %(events_until)s)"
)
"""The rows of `of_events()`, for a FROM."""
POSITIONS: Final[LiteralString] = (
    "(SELECT * FROM events_position WHERE position > %(positions_latest)s UNION ALL "
    "SELECT * FROM events_position "
    "WHERE position > %(positions_drawn)s AND position <= %(positions_until)s)"
)
"""The rows of `of_positions()`, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is above `latest`, up to the `last`, and what is above `drawn`, up to `until`."""

    of: str
    latest: int
    last: int
    drawn: int
    until: int

    @property
    def params(self) -> dict[str, int]:
        """Return the parameters of a query that reads from it."""
        bounds = {"latest": self.latest, "drawn": self.drawn, "until": self.until}
        return {f"{self.of}_{name}": bound for name, bound in bounds.items()}


def of_events() -> Sample:
    """Draw from the events, by the ids of their rows."""
    return _drawn("events", *wire.run(_ENDS_OF_EVENTS))


def of_positions() -> Sample:
    """Draw from the feed."""
    return _drawn("positions", *wire.run(_ENDS_OF_POSITIONS))


# The keys, from either end.
_ENDS_OF_EVENTS: Final = "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM events_event"
_ENDS_OF_POSITIONS: Final = "SELECT 1, coalesce(max(position), 0) FROM events_position"


def _drawn(of: str, ends: wire.Row) -> Sample:
    before, last = ends[0] - 1, ends[1]
    latest = max(before, last - SAMPLED_MAX)
    drawn = before + secrets.randbelow(latest - before + 1)
    until = min(drawn + SAMPLED_MAX, latest)
    return Sample(of=of, latest=latest, last=last, drawn=drawn, until=until)

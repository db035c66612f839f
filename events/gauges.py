"""Metrics of the log."""

from collections.abc import Iterator

from events import explore
from events.metrics import Figure, counter, gauge, reader

POSITIONS = counter("daybook_events_total", "Events that have their position in the feed.")
UNSEQUENCED = gauge(
    "daybook_events_unsequenced", "Committed events that wait for their position in the feed."
)
LAG = gauge(
    "daybook_sequencer_lag_seconds", "How long the oldest event without a position waits for it."
)


@reader
def read_log() -> Iterator[Figure]:
    found = explore.lag()
    yield POSITIONS.is_now(found.head)
    yield UNSEQUENCED.is_now(found.events)
    yield LAG.is_now(found.seconds)

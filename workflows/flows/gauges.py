"""Metrics of flows."""

from collections.abc import Iterator

from events.metrics import Figure, gauge, reader
from workflows.flows import selectors
from workflows.flows.steps import feed_cursor

ACTIVE = gauge("daybook_flows_active", "Flows that are under way, child flows among them.")
PAUSED = gauge("daybook_flows_paused", "Active flows that are paused.")
BEHIND = gauge(
    "daybook_flow_follower_lag_events",
    "Events not yet offered to the steps and starts that wait for events; 0 if none does.",
)


@reader
def read_flows() -> Iterator[Figure]:
    active, paused = selectors.count_under_way()
    yield ACTIVE.is_now(active)
    yield PAUSED.is_now(paused)
    lag, is_anybody_waiting = feed_cursor.lag()
    yield BEHIND.is_now(lag if is_anybody_waiting else 0)

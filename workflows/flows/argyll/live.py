"""The initial state that Argyll's live clients receive, and how many clients there are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from events.domain.envelope import Stream
from events.domain.framing import StateItem
from events.sourcing import states as known
from workflows.flows import selectors
from workflows.flows.domain.catalog import catalog_as_json
from workflows.flows.domain.view import flow_as_json
from workflows.flows.execution.aggregates import CATALOG, CLUSTER, FLOWS

_clients: list[object] = []


@contextmanager
def counted() -> Iterator[None]:
    """Count a client of this process for as long as the block lasts."""
    token = object()
    _clients.append(token)
    try:
        yield
    finally:
        _clients.remove(token)


def clients() -> int:
    """Return how many sockets of Argyll's clients this process serves."""
    return len(_clients)


def states(streams: Iterable[Stream]) -> list[StateItem]:
    """Return a state for each stream, as `/engine` shows it; a flow that is not is left out.

    What is only a prefix, or not of ours, has null for its state, and sequence 0.
    """
    return [item for stream in streams for item in _item(stream)]


def _item(stream: Stream) -> Iterator[StateItem]:
    match stream:
        case ("catalog",):
            yield _state(stream, CATALOG, catalog_as_json)
        case ("cluster",):
            yield _state(stream, CLUSTER, selectors.cluster_document)
        case ("flow", _):
            item = _state(stream, FLOWS, flow_as_json)
            if item.sequence > 1:
                yield item
        case _:
            yield StateItem(stream=stream, data=None, sequence=0)


def _state(stream: Stream, aggregate: Any, as_json: Any) -> StateItem:
    reached = known.fresh(aggregate, stream)
    return StateItem(stream=stream, data=as_json(reached.state), sequence=reached.sequence + 1)

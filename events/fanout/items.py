"""The states of the aggregates of a subscription, at the moment it begins."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from events.domain.envelope import Stream
from events.domain.framing import StateItem
from events.sourcing import executor, states

States = Callable[[Sequence[Stream]], list[StateItem]]
"""Answers with the state of each of these streams, where a protocol has its own idea of it."""


def of(streams: Iterable[Stream]) -> list[StateItem]:
    """Return a state for each of `streams` that names an aggregate.

    One that has not happened yet is left out. What is only a prefix, or keeps no state of
    this kind, has null for its state, and sequence 0: no event is in it.
    """
    return [item for stream in streams for item in _item(stream)]


def _item(stream: Stream) -> Iterator[StateItem]:
    aggregate = next((one for one in executor.registered() if stream[:1] == (one.kind,)), None)
    if aggregate is None:
        yield StateItem(stream=stream, data=None, sequence=0)
        return
    reached = states.fresh(aggregate, stream)
    if reached.sequence:
        data = aggregate.dump(reached.state)
        yield StateItem(stream=stream, data=data, sequence=reached.sequence + 1)

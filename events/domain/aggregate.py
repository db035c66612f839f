"""An event-sourced aggregate: `decide` turns a command into events, `evolve` applies an event.

`decide` may refuse; `evolve` may not, because its event has happened. Both are pure: time, ids
and whatever else they need come in with the command.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any, Generic, TypeVar

from events.domain.canonical import JSON
from events.domain.envelope import Envelope, Stream

S = TypeVar("S")
"""The frozen state."""
C = TypeVar("C")
"""The closed union of commands."""
E = TypeVar("E")
"""The closed union of events."""

Callback = Callable[[], None]


class EventsWithState(list[E], Generic[E, S]):
    """Events and the resulting state, from a `decide` that computed the state anyway."""

    def __init__(self, events: Iterable[E], after: S) -> None:
        super().__init__(events)
        self.after = after


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection(Generic[S]):
    """The argument of a `project` function, called inside the transaction of the append.

    It writes list rows that follow from `after` (or from `envelopes`) alone, so that one
    call with the whole history, on a rebuild, leaves the same rows as one call per commit.
    """

    stream: Stream
    before: S
    after: S
    envelopes: tuple[Envelope, ...]
    is_rebuild: bool = False
    callbacks: list[Callback] = field(default_factory=list)

    def on_success(self, callback: Callback) -> None:
        """Run `callback` once, after commit, however often the decision is retried.

        Not in a rebuild: the events were announced when they were recorded.
        """
        if not self.is_rebuild:
            self.callbacks.append(callback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate(Generic[S, C, E]):
    """`kind` is the first element of its streams. `rows` and `clear` let a rebuild compare
    and drop the list rows of one stream; they are needed when there is a `project`. `listed`
    names the streams of all list rows, so that rows without events are found.
    `encode` is told the stream, as the data of some events name it.
    `identify` gives an event an id of its own: None leaves it to the recorder. `dated` gives
    an event its time, which the log keeps beside the data.
    `weigh` counts the parts of a state, if there may be many: see `spacing`.
    The types of the events of one that `is_typed` guarantee their schemas, as tests show."""

    kind: str
    initial: Callable[[Stream], S]
    decide: Callable[[S, C], Sequence[E]]
    evolve: Callable[[S, E], S]
    encode: Callable[[E, Stream], tuple[str, dict[str, Any]]]
    decode: Callable[[str, int, dict[str, Any]], E]
    dump: Callable[[S], JSON]
    load: Callable[[JSON], S]
    project: Callable[[Projection[S]], None] | None = None
    rows: Callable[[Stream], JSON] | None = None
    clear: Callable[[Stream], None] | None = None
    listed: Callable[[], Iterable[Stream]] | None = None
    identify: Callable[[E], str | None] | None = None
    dated: Callable[[E, datetime], E] | None = None
    is_typed: bool = False
    snapshot_every: int = 100
    weigh: Callable[[S], int] | None = None

    def __post_init__(self) -> None:
        assert self.snapshot_every >= 1, "snapshot_every counts events, from 1"
        listed = (self.project, self.rows, self.clear)
        assert all(listed) or not any(listed), "project, rows and clear come together"

    def spacing(self, state: S) -> int:
        """Return after how many events a snapshot is due: `snapshot_every` for a small state.

        For one of many parts about as many as a fourth to a half of them, as all are written each
        time. By powers of two, so that it stays the same while a state grows slowly.
        """
        parts = self.weigh(state) if self.weigh else 0
        return self.snapshot_every << max(0, (parts // (2 * self.snapshot_every)).bit_length() - 1)

    def read(self, name: str, version: int, data: dict[str, Any], at: datetime) -> E:
        """Return the event that was stored."""
        event = self.decode(name, version, data)
        return self.dated(event, at) if self.dated else event

    def fold(self, state: S, events: Iterable[E]) -> S:
        """Return the state after applying `events` to `state`."""
        if isinstance(events, EventsWithState):
            after: S = events.after
            return after
        return reduce(self.evolve, events, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[S]):
    """The result of a command: the state after it and how many events were recorded.

    `seal` makes their envelopes when they are asked for, as they rarely are.
    """

    state: S
    sequence: int
    count: int
    seal: Callable[[], tuple[Envelope, ...]] = tuple

    @property
    def envelopes(self) -> tuple[Envelope, ...]:
        """The events that were recorded."""
        return self.seal()

"""Wait steps: until a time, or until an event with a given name that passes the filter.

Every event counts whose position in the feed is after that of the step's own `work_started`:
see Note [Nobody waits past]. The output of the step is the event's data.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from events import context, wire
from events.domain.envelope import Envelope
from events.domain.streams import key_of
from events.store import DATA
from ledger import expressions
from workflows.flows.domain import ids
from workflows.flows.domain.flow import Flow, WorkItem
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script, Step
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.languages import LANGUAGES, allowance, is_quick
from workflows.flows.models import AwaitedEvent
from workflows.flows.steps import feed_cursor
from workflows.work import queue
from workflows.work.domain.claim import Claim

BATCH_SECONDS_MAX = 1.0

_BEGINNING = (
    "SELECT max(e.sequence) FROM events_event e "  # noqa: S608 (names of our own)
    f"WHERE e.stream = %s AND e.name = 'work_started' AND {DATA}::json->>'token' = %s"
)


def begin(*, claim: Claim, flow: Flow, step: Step, item: WorkItem) -> None:
    """Record what a wait step waits for, and complete the row that started it."""
    wait: dict[str, Any] = dict(step.settings or {})
    with transaction.atomic(durable=True):
        if wait.get("event"):
            _await_event(flow, step, item, wait)
        if wait.get("for_ms"):
            assert item.started_at is not None, "it is under way"
            queue.enqueue(
                "flow.waited",
                subject=claim.subject,
                input=claim.input,
                due_at=item.started_at + timedelta(milliseconds=int(wait["for_ms"])),
                idempotency_key=f"{claim.id}:time",
            )
        queue.complete(claim)


def _await_event(flow: Flow, step: Step, item: WorkItem, wait: dict[str, Any]) -> None:
    condition = wait.get("filter") or {}
    stream = stream_of(flow.id)
    row = wire.run(_BEGINNING, [key_of(stream), item.token]).fetchone()
    assert row is not None, "an aggregate has one row"
    awaited, _ = AwaitedEvent.objects.update_or_create(
        token=item.token,
        defaults={
            "flow_id": flow.id,
            "step_id": step.id,
            "event_name": wait["event"],
            "language": condition.get("language", ""),
            "filter": condition.get("script", ""),
            "since": row[0],
            "correlation_id": context.current().correlation_id,
        },
    )
    read_until = feed_cursor.lock_shared()
    [began_at] = feed_cursor.positions_of([(stream, awaited.since)])
    if began_at is not None:
        offer(
            feed_cursor.between(awaited.event_name, after=began_at, until=read_until),
            to=[awaited],
            filters=BatchFilters(),
        )


class BatchFilters:
    """The filters of one batch of events, which its transaction waits for: bounded in all.

    Those of all its events have a second of the processor together. What none is left for, and
    what may be slow (Lua), is left to the work, which runs outside of any transaction.
    """

    def __init__(self) -> None:
        self._left_s = BATCH_SECONDS_MAX

    def accepts(self, script: Script | None, data: Any) -> bool | None:
        """Return whether a filter accepts an event's data, None if it is left to the work."""
        if script is None:
            return True
        # Each has all of its own time, or is not begun: what it says is what it would always say.
        if not is_quick(script) or self._left_s < allowance.CONDITION_SECONDS_MAX:
            return None
        if script.language == "cel":
            expressions.load()  # No filter is charged for being the first of its process.
        began = time.thread_time()
        try:
            return accepts(script, data)
        finally:
            self._left_s -= time.thread_time() - began


def offer(events: Iterable[Envelope], *, to: Sequence[AwaitedEvent], filters: BatchFilters) -> None:
    """Enqueue the steps that waited for one of these events, in the transaction.

    The first event that is accepted ends a step.
    """
    for envelope, awaited in _offers(events, to, filters):
        _wake(awaited, envelope)


def _offers(
    events: Iterable[Envelope], to: Sequence[AwaitedEvent], filters: BatchFilters
) -> Iterator[tuple[Envelope, AwaitedEvent]]:
    began_at = feed_cursor.positions_of([(stream_of(one.flow_id), one.since) for one in to])
    waiters: dict[str, dict[UUID, tuple[int, AwaitedEvent]]] = {}
    for awaited, position in zip(to, began_at, strict=True):
        if position is not None:
            waiters.setdefault(awaited.event_name, {})[awaited.token] = (position, awaited)
    for envelope in events:
        assert envelope.position is not None, "the feed has positions"
        open_ = waiters.get(envelope.name, {})
        for position, awaited in [*open_.values()]:
            if position >= envelope.position:
                continue
            verdict = filters.accepts(filter_of(awaited), envelope.data)
            if verdict:
                del open_[awaited.token]
            if verdict is not False:
                yield envelope, awaited


def waiting_for(names: Iterable[str]) -> list[AwaitedEvent]:
    """Return who waits for events of these names."""
    return list(AwaitedEvent.objects.filter(event_name__in=set(names)))


def is_accepted(item: WorkItem, data: Mapping[str, Any] | None) -> bool:
    """Return whether what woke a wait step may end it: its time (no data), or such an event."""
    awaited = AwaitedEvent.objects.filter(token=item.token).first()
    script = filter_of(awaited) if awaited is not None else None
    return data is None or script is None or accepts(script, data)


def filter_of(awaited: AwaitedEvent) -> Script | None:
    """Return the condition on the event's data, None if any will do."""
    if not awaited.filter:
        return None
    return Script(language=awaited.language, text=awaited.filter)


def accepts(script: Script, data: Any) -> bool:
    """Return whether a condition holds of an event's data; a broken one never does."""
    try:
        return LANGUAGES.matches(script, data)
    except ScriptFailed:
        return False


def _wake(awaited: AwaitedEvent, envelope: Envelope) -> None:
    with context.acting(
        ids.principal_of(awaited.flow_id),
        correlation_id=awaited.correlation_id,
        causation_id=envelope.event_id,
    ):
        queue.enqueue(
            "flow.waited",
            subject=f"flow/{awaited.flow_id}"[: queue.SUBJECT_CHARS_MAX],
            input={
                "flow_id": awaited.flow_id,
                "step_id": awaited.step_id,
                "token": str(awaited.token),
                "outputs": envelope.data,
            },
            idempotency_key=f"{awaited.token}:{envelope.event_id}",
        )

"""Records the outcome of each occasion of a start, in its stream; finds slots that did not fire."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from events import explore
from events import selectors as log
from events.domain.envelope import Envelope
from events.domain.errors import Forbidden
from events.domain.principal import Principal
from ledger.access import current_rights
from workflows.flows.domain.errors import FlowBusy
from workflows.flows.domain.start import slot_from
from workflows.flows.models import FlowStart, FlowSummary
from workflows.flows.triggers import starts
from workflows.work.domain.life import DEAD_LETTERS, OPEN
from workflows.work.domain.timing import Fate
from workflows.work.models import Schedule, Slot, Work
from workflows.work.queue import SUBJECT_CHARS_MAX

OCCASIONS_MAX: Final = 50
SLOTS_MAX: Final = 200
_ENDS: Final = ("flow_start.fired", "flow_start.refused", "flow_start.paused")
_FATES: Final = {
    Fate.MISSED: "It could not be fired in time, and missed slots are skipped.",
    Fate.OVERLAPPED: "The slot before it was still being fired.",
    Fate.QUEUED: "It fires as soon as the slot before it has.",
}
_NOT_IN_TIME: Final = "Slots before it could not be fired in time; it was."


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One thing that happened to a start. `what` is fired, skipped, refused, paused, declared,
    removed, or the fate of a slot, which is no event: without `id` and `sequence`.

    `event_id` or `slot_at` is the occasion, `entry_id` leads to the ledger, `by` is who acted.
    """

    at: datetime
    what: str
    says: str = ""
    flow_id: str = ""
    flow: FlowSummary | None = None
    event_id: str = ""
    slot_at: datetime | None = None
    entry_id: str = ""
    by: str = ""
    sequence: int | None = None
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasions:
    """The newest first; `older` is the sequence to ask for what came before, None at the end."""

    lines: list[Occasion]
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartState:
    """The state of a start: on, off, paused, or refused (on, but its last flow was refused).

    `lacks` says why its declarer may not start flows now; it is empty if they may.
    """

    state: str
    says: str
    next_at: datetime | None
    fired: Occasion | None
    lacks: str


def occasions(name: str, *, before: int | None = None, limit: int = OCCASIONS_MAX) -> Occasions:
    """Return what happened to a start before its event number `before`, or lately."""
    stream = starts.stream_of(name)
    end = explore.head_sequence(stream) + 1 if before is None else before
    begin = max(end - 1 - limit, 0)
    events = log.stream_events(stream, after=begin, limit=limit)
    events = [event for event in events if (event.sequence or 0) < end]
    since = events[0].emitted_at if events and begin else None
    until = None if before is None else _emitted_at(name, before)
    lines = [*_of_events(events), *_of_slots(name, since, until)]
    lines.sort(key=lambda one: (one.at, one.sequence or 0), reverse=True)
    return Occasions(lines=lines, older=begin + 1 if begin else None)


def start_states(rows: Sequence[FlowStart]) -> dict[str, StartState]:
    """Return how each of these stands, by name."""
    names = {starts.schedule_of(row.name): row.name for row in rows if row.cron and row.enabled}
    due = dict(Schedule.objects.filter(name__in=names).values_list("name", "next_at"))
    next_at = {names[schedule]: at for schedule, at in due.items()}
    declarers = {row.declared_by for row in rows}
    lacking = {declarer: why_not_fire(declarer) for declarer in declarers}
    return {
        row.name: _start_state(row, next_at=next_at.get(row.name), lacks=lacking[row.declared_by])
        for row in rows
    }


def unfinished(start: FlowStart) -> QuerySet[Work]:
    """Return the occasions that are still to be handled, or could not be: rows of work."""
    slots = f"schedule/{starts.schedule_of(start.name)}"[:SUBJECT_CHARS_MAX]
    subjects = [f"flow-start/{start.name}", slots]
    states = [state.value for state in OPEN | DEAD_LETTERS]
    rows = Work.objects.filter(kind=starts.START, status__in=states, subject__in=subjects)
    return rows.order_by("-id")


def why_not_fire(declarer: str) -> str:
    """Return why nothing may start now in the name of this principal; empty if it may."""
    try:
        current_rights.demand_current(Principal.parse(declarer), *starts.NEEDED)
    except Forbidden as why:
        return str(why)
    return ""


def _start_state(start: FlowStart, *, next_at: datetime | None, lacks: str) -> StartState:
    stream = starts.stream_of(start.name)
    fired = explore.last_of(stream, names=["flow_start.fired"])
    last = explore.last_of(stream, names=[*_ENDS, "flow_start.declared"]) if start.enabled else None
    state, says = "on", ""
    if start.paused_because:
        state, says = "paused", start.paused_because
    elif not start.enabled:
        state = "off"
    elif last is not None and _what(last) == "refused":
        state, says = "refused", str(last.data["reason"])
    return StartState(
        state=state,
        says=says,
        next_at=next_at,
        fired=next(_of_events([fired]), None) if fired is not None else None,
        lacks=lacks,
    )


def _of_events(events: Sequence[Envelope]) -> Iterator[Occasion]:
    ids = [event.data["flow_id"] for event in events if "flow_id" in event.data]
    flows: Mapping[str, FlowSummary] = FlowSummary.objects.in_bulk(ids)
    for event in events:
        data = event.data
        flow_id, occasion = str(data.get("flow_id", "")), str(data.get("occasion", ""))
        slot_at = slot_from(occasion)
        yield Occasion(
            at=event.emitted_at,
            what=_what(event),
            says=str(data.get("reason", "")),
            flow_id=flow_id,
            flow=flows.get(flow_id),
            event_id="" if slot_at else occasion,
            slot_at=slot_at,
            entry_id=str(data.get("entry_id", "")),
            by=str(event.principal),
            sequence=event.sequence,
            id=event.event_id,
        )


def _what(event: Envelope) -> str:
    # Another flow holds the key: that is what concurrency keys are for, and no fault.
    if event.data.get("code") == FlowBusy.code:
        return "skipped"
    return event.name.rpartition(".")[2]


def _of_slots(name: str, since: datetime | None, until: datetime | None) -> Iterator[Occasion]:
    told = Q(fate__in=list(_FATES)) | Q(fate=Fate.FIRED, stands_for__gt=1)
    rows = Slot.objects.filter(told, schedule=starts.schedule_of(name))
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lt=until)
    for row in rows.order_by("-slot_at")[:SLOTS_MAX]:
        fate = Fate(row.fate)
        many = f" It stands for {row.stands_for} slots." if row.stands_for > 1 else ""
        # That it was fired is an event; those before it that were not have no other line.
        is_for_others = fate is Fate.FIRED
        yield Occasion(
            at=row.created_at,
            what=Fate.MISSED if is_for_others else fate,
            says=f"{_NOT_IN_TIME if is_for_others else _FATES[fate]}{many}",
            slot_at=row.slot_at,
        )


def _emitted_at(name: str, sequence: int) -> datetime | None:
    found = log.stream_events(starts.stream_of(name), after=sequence - 1, limit=1)
    return found[0].emitted_at if found else None

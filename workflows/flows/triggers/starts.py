"""Starts (triggers of flows): declare, enable, disable and remove them; match them to events.

The definition is a row. A cron rule has a schedule of `work` beside it; events come from the
feed. Either enqueues one row of work per occasion, which starts the flow (`firing`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

from django.db.models import QuerySet
from django.utils import timezone

from events import catalogue, context, recorder
from events import selectors as log
from events.domain.canonical import first_difference
from events.domain.catalogue import EventNotDeclared
from events.domain.envelope import Envelope, Stream
from events.domain.json_pointer import pointer_to
from events.domain.principal import Principal
from events.explore import head_sequence
from ledger import recording
from ledger.access import current_rights
from ledger.domain.action import Proof
from ledger.preconditions import Expected, check_version
from ledger.privacy import subjects
from workflows.flows import actions
from workflows.flows.domain import limits
from workflows.flows.domain import start as rules
from workflows.flows.domain.errors import InputsMissing
from workflows.flows.domain.start import StartInvalid, StartUnknown
from workflows.flows.domain.step import Script
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.execution import engine, plans
from workflows.flows.languages import compile_script
from workflows.flows.models import FlowStart
from workflows.flows.steps import feed_cursor, waiting
from workflows.work import documents, queue, schedules, statements
from workflows.work.domain.timing import Overlap, Rule, ScheduleInvalid
from workflows.work.models import Schedule

START = "flow.start"
NEEDED: Final = ("flow_start.manage", "flow.start")
"""What who lets flows start must hold: when it is declared, and still when it fires."""
_RECENT = 20
SLOTS_SHOWN = 5
_STATED = ("goals", "init", "labels", "options", "cron", "tz", "missed", "event", "language",
           "filter", "takes", "enabled")  # fmt: skip


class StartDefinition(TypedDict, total=False):
    """What may be said of a start beside its name and goals."""

    init: Mapping[str, list[Any]]
    labels: Mapping[str, str]
    options: Mapping[str, Any]
    cron: str
    tz: str
    missed: str
    event: str
    filter: Script | None
    takes: Mapping[str, str]
    enabled: bool


def declare_start(
    *,
    name: str,
    goals: Sequence[str],
    expected_version: Expected | None = None,
    **stated: Unpack[StartDefinition],
) -> FlowStart:
    """Declare when flows with these goals start: by `cron` in `tz`, or on every `event`.

    The flows start in the name of who declares it. `takes` names attributes and the JPath
    of their value in the event's data. An equal definition changes nothing; another one
    counts from now on.

    :raises StartInvalid: if the definition breaks a rule, or there is no such event.
    :raises ScheduleInvalid: if the cron rule, the time zone or the policy makes no sense.
    :raises FlowInvalid, GoalsUnknown, InputsMissing: as the start of such a flow would.
    :raises CapabilityMissing, PrincipalInactive: if who declares it may not start flows themselves.
    :raises VersionMoved: if it is not at the version that is expected.
    """
    wanted = _row(name, goals, stated)
    _check(wanted)
    return _replaced(wanted, expected_version)


def check_start(*, name: str, goals: Sequence[str], **stated: Unpack[StartDefinition]) -> None:
    """Check a definition as `declare_start` does, for any caller. Changes nothing."""
    _check(_row(name, goals, stated))


def next_slots(*, cron: str, tz: str, count: int = SLOTS_SHOWN) -> list[datetime]:
    """Return when a cron rule is due next.

    :raises ScheduleInvalid: if the rule or the time zone makes no sense.
    """
    now = timezone.now()
    rule = Rule(cron=" ".join(cron.split()), tz=tz, anchor_at=now)
    slots: list[datetime] = []
    while len(slots) < count and (slot := rule.next_after(slots[-1] if slots else now)):
        slots.append(slot)
    return slots


def slots_to_come(start: FlowStart) -> list[datetime]:
    """Return when a start is due next; nothing if it is off, or its zone is gone from here."""
    if not start.cron or not start.enabled:
        return []
    try:
        return next_slots(cron=start.cron, tz=start.tz)
    except ScheduleInvalid:
        return []  # It does not fire either, and its page is where it is declared anew.


def set_start_enabled(
    *, name: str, enabled: bool, reason: str = "", expected_version: Expected | None = None
) -> FlowStart:
    """Switch a start on, from the next slot or event on, or off.

    :raises StartUnknown: if there is none of that name.
    :raises CapabilityMissing, PrincipalInactive: to switch it on, of who may not start flows.
    :raises VersionMoved: if it is not at the version that is expected.
    """
    verb = "enable" if enabled else "disable"
    with recording.recorded(actions.on_start(verb, name, reason=reason)) as proof:
        known = _locked(name, expected_version)
        if known.enabled == enabled:
            proof.changes_nothing()
            return known
        stated = FlowStart.objects.get(name=name)
        stated.enabled = enabled
        return _declared(stated, known, proof)


def remove_start(*, name: str, reason: str = "", expected_version: Expected | None = None) -> None:
    """Remove a start. Flows that it started continue.

    :raises StartUnknown: if there is none of that name.
    :raises VersionMoved: if it is not at the version that is expected.
    """
    with recording.recorded(actions.on_start("remove", name, reason=reason)) as proof:
        known = _locked(name, expected_version)
        set_schedule(known, enabled=False)
        known.delete()
        data = {"name": name, "entry_id": str(proof.entry_id)}
        recorder.emit("flow_start.removed", data, stream=stream_of(name))


def schedule_of(name: str) -> str:
    """Return the name of the schedule of a start by a cron rule."""
    return f"flow-start.{name}"


def stream_of(name: str) -> Stream:
    return ("flow_start", name)


def last_refusal(name: str) -> Envelope | None:
    """Return the event of the last flow that could not start so, as it is declared now."""
    stream = stream_of(name)
    recent = log.stream_events(stream, after=max(head_sequence(stream) - _RECENT, 0))
    for event in reversed(recent):
        if event.name == "flow_start.declared":
            return None
        if event.name == "flow_start.refused":
            return event
    return None


def event_names() -> set[str]:
    """Return the names of the events on which some flow starts."""
    return set(_of_events().values_list("event", flat=True))


def offer(events: Sequence[Envelope], *, filters: waiting.BatchFilters) -> None:
    """Enqueue the flows that start on one of these events, in the transaction."""
    for start in _of_events().filter(event__in={event.name for event in events}):
        script = filter_of(start)
        for event in events:
            is_later = event.position is not None and event.position > start.since
            if event.name != start.event or not is_later:
                continue
            if filters.accepts(script, event.data) is not False:
                _enqueue(start, event)


def filter_of(start: FlowStart) -> Script | None:
    """Return the condition on the event's data, None if any will do."""
    return Script(language=start.language, text=start.filter) if start.filter else None


def _of_events() -> QuerySet[FlowStart]:
    return FlowStart.objects.filter(enabled=True).exclude(event="").order_by("name")


def _enqueue(start: FlowStart, event: Envelope) -> None:
    with context.acting(
        Principal.parse(start.declared_by),
        correlation_id=event.correlation_id,
        causation_id=event.event_id,
    ):
        queue.enqueue(
            START,
            subject=f"flow-start/{start.name}",
            input={"start": start.name, "event_id": event.event_id},
            idempotency_key=f"{start.name}:{event.event_id}",
        )


def _row(name: str, goals: Sequence[str], stated: StartDefinition) -> FlowStart:
    plain = {key: value for key, value in stated.items() if key != "filter"}
    row = FlowStart(name=name, goals=list(goals), **plain)
    row.cron = " ".join(row.cron.split())
    script = stated.get("filter")
    row.language, row.filter = (script.language, script.text) if script else ("", "")
    # As the database gives them back, so that equal definitions are equal.
    row.init, row.labels, row.options, row.takes = (
        dict(one) for one in (row.init, row.labels, row.options, row.takes)
    )
    return row


def _check(stated: FlowStart) -> None:
    rules.check(name=stated.name, cron=stated.cron, event=stated.event, takes=stated.takes)
    limits.check_start(stated.name, stated.goals, stated.init, stated.labels)
    limits.check_options(stated.options)
    schedules.policies(missed=stated.missed, overlap=Overlap.QUEUE)
    if stated.cron:
        rule = Rule(cron=stated.cron, tz=stated.tz, anchor_at=timezone.now())
        rule.check_can_be_declared()
    if stated.event:
        try:
            catalogue.get(stated.event)
        except EventNotDeclared as unknown:
            raise StartInvalid(str(unknown), pointer="/event") from unknown
    paths = {
        pointer_to("takes", name): Script(language="jpath", text=path)
        for name, path in stated.takes.items()
    }
    if script := filter_of(stated):
        paths["/filter/script"] = script
    for pointer, script in paths.items():
        try:
            compile_script(script, ("value",))
        except ScriptBroken as broken:
            raise StartInvalid(str(broken), pointer=pointer) from broken
    # Only that the event will give them is known yet.
    taken: dict[str, list[Any]] = {name: [True] for name in stated.takes}
    _, missing = plans.ahead(engine.catalog(), stated.goals, {**stated.init, **taken})
    if missing:
        raise InputsMissing(tuple(missing))


def _replaced(stated: FlowStart, expected_version: Expected | None) -> FlowStart:
    action = actions.on_start("declare", stated.name, asked=_terms_of(stated))
    with recording.recorded(action) as proof:
        known = FlowStart.objects.select_for_update().filter(name=stated.name).first()
        check_version(expected_version, known.version if known else 0)
        if known and not first_difference(_stated(known), _stated(stated)):
            proof.changes_nothing()
            return known
        return _declared(stated, known, proof)


def _stated(start: FlowStart) -> dict[str, Any]:
    return {name: getattr(start, name) for name in _STATED}


def _terms_of(stated: FlowStart) -> dict[str, Any]:
    """Return all that is stated; what flows are given may be personal or secret."""
    asked = _stated(stated)
    init = asked.pop("init")
    given = subjects.fingerprint_of(init, of=f"flow_start/{stated.name}")
    return {**asked, "names": sorted(init), "values": given}


def _declared(stated: FlowStart, known: FlowStart | None, proof: Proof) -> FlowStart:
    now = timezone.now()
    declarer = context.current().principal
    if stated.enabled:
        # What it will ask of them when it fires; to switch it off asks for less.
        current_rights.demand_current(declarer, *NEEDED)
    stated.declared_by = str(declarer)
    stated.version = known.version + 1 if known else 1
    stated.created_at = known.created_at if known else now
    stated.updated_at = now
    stated.paused_because = ""
    # The cursor cannot pass an event between this read and the commit: later events count.
    feed_cursor.lock_shared()
    stated.since = log.head_position()
    stated.save(force_insert=known is None, force_update=known is not None)
    set_schedule(stated, enabled=stated.enabled)
    proof.says(f"Starts {', '.join(stated.goals)} {_when(stated)}.")
    what: dict[str, Any] = {
        "name": stated.name,
        "goals": stated.goals,
        "enabled": stated.enabled,
        "entry_id": str(proof.entry_id),
    }
    cause = {"cron": stated.cron, "tz": stated.tz} if stated.cron else {"event": stated.event}
    recorder.emit("flow_start.declared", {**what, **cause}, stream=stream_of(stated.name))
    return stated


def _when(start: FlowStart) -> str:
    if not start.enabled:
        return "no more"
    return f"on {start.event}" if start.event else f"at {start.cron} in {start.tz}"


def set_schedule(start: FlowStart, *, enabled: bool) -> None:
    """Keep the schedule beside a cron rule; what is no cron rule any more has none that fires."""
    name = schedule_of(start.name)
    [(now,)] = statements.run(statements.NOW)
    if start.cron and enabled:
        schedules.declare(
            name,
            Rule(cron=start.cron, tz=start.tz, anchor_at=now),
            now=now,
            kind=START,
            input=documents.dump({"start": start.name}),
            enabled=True,
            principal=start.declared_by,
            **schedules.policies(missed=start.missed, overlap=Overlap.QUEUE),
        )
    elif found := Schedule.objects.select_for_update().filter(name=name).first():
        schedules.switch(found, enabled=False, now=now)


def _locked(name: str, expected_version: Expected | None) -> FlowStart:
    known = FlowStart.objects.select_for_update().filter(name=name).first()
    if known is None:
        raise StartUnknown(name)
    check_version(expected_version, known.version)
    return known

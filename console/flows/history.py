"""The events of a flow as rows: each summarised in a few words."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.flows.graph import brief
from console.flows.waterfall import lasting
from events.domain.envelope import Envelope
from events.domain.principal import PrincipalKind
from events.domain.texts import shortened
from ledger.access import people
from ledger.disclosure import free_texts
from ledger.privacy import remarks
from workflows.flows.explanations.why_waiting import in_one_line

SAYS_CHARS_MAX = 160

_TONES = {
    "flow_completed": "ok",
    "flow_failed": "bad",
    "flow_cancelled": "bad",
    "flow_paused": "wait",
    "step_completed": "ok",
    "step_failed": "bad",
    "work_succeeded": "ok",
    "work_failed": "bad",
    "work_not_completed": "wait",
    "work_retry_scheduled": "wait",
    "dispatch_deferred": "wait",
    "comp_started": "wait",
    "comp_retry_scheduled": "wait",
    "flow_compensation_started": "wait",
    "comp_failed": "bad",
    "step_started": "run",
    "work_started": "run",
    "flow_started": "run",
}


_ASKED_FOR = frozenset({"flow_started", "flow_resumed"})
"""Those whose data name no entry."""
_SOMEBODY = frozenset({PrincipalKind.USER, PrincipalKind.API_KEY, PrincipalKind.AGENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event. `by` names who acted, of an event that says what somebody asked for."""

    sequence: int
    event_id: str
    name: str
    step_id: str
    says: str
    tone: str
    at: datetime
    after: str
    by: str
    is_later: bool
    is_picked: bool


def lines(
    events: Iterable[Envelope],
    *,
    start: datetime,
    at: int | None,
    event: int | None,
    step_id: str = "",
) -> list[Line]:
    """Return the rows, the newest first; `at` is the event after which the flow is shown."""
    events = list(events)
    words = remarks.words_at(one.data["entry_id"] for one in events if "entry_id" in one.data)
    actors = {one.event_id: str(one.principal) for one in events if _is_of_somebody(one)}
    names = people.names_of(actors.values()) if actors else {}
    found = [
        Line(
            sequence=one.sequence or 0,
            event_id=one.event_id,
            name=one.name,
            step_id=one.data.get("step_id", ""),
            says=_words(one, words) or says(one),
            tone=_TONES.get(one.name, "mute"),
            at=one.emitted_at,
            after=lasting(max(one.emitted_at - start, timedelta())),
            by=names.get(actors.get(one.event_id, ""), ""),
            is_later=at is not None and (one.sequence or 0) > at,
            is_picked=one.sequence == event if event else bool(step_id) and _is_of(one, step_id),
        )
        for one in events
    ]
    return found[::-1]


def says(event: Envelope) -> str:
    """Return what an event is about, beyond its name and step."""
    describe = _SAYS.get(event.name)
    if describe is None:
        return ""
    text = describe(event.data)
    return shortened(text, SAYS_CHARS_MAX)


def _words(event: Envelope, words: Mapping[str, str]) -> str:
    text = words.get(event.data.get("entry_id", ""), "")
    return shortened(free_texts.redacted_for(text, None), SAYS_CHARS_MAX)


def _is_of(event: Envelope, step_id: str) -> bool:
    return event.data.get("step_id") == step_id


def _is_of_somebody(event: Envelope) -> bool:
    """Return whether an event says what a person or an agent asked for, not what followed."""
    is_asked_for = event.name in _ASKED_FOR or "entry_id" in event.data
    return is_asked_for and event.principal.kind in _SOMEBODY


def _error(data: Mapping[str, Any]) -> str:
    return in_one_line(str(data.get("error", "")))


def _retry(data: Mapping[str, Any]) -> str:
    return f"try {data['retry_count'] + 1} to come: {_error(data)}"


def _items(data: Mapping[str, Any]) -> str:
    count = len(data.get("work_items") or {})
    return "" if count == 1 else f"{count} items"


_SAYS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "flow_started": lambda data: "for " + ", ".join(data["plan"]["goals"]),
    "flow_failed": _error,
    "flow_deactivated": lambda data: str(data["status"]),
    "flow_paused": lambda data: str(data.get("reason", "")),
    "flow_cancelled": lambda data: str(data.get("reason", "")),
    "step_started": _items,
    "step_failed": _error,
    "step_skipped": lambda data: str(data.get("reason", "")),
    "attribute_set": lambda data: f"{data['key']} = {brief(data['value'])}",
    "work_failed": _error,
    "work_not_completed": _error,
    "work_retry_scheduled": _retry,
    "comp_failed": _error,
    "comp_retry_scheduled": _retry,
}

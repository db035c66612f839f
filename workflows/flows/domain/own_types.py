"""Validates the settings of the step types beyond Argyll: python, approval and wait."""

from collections.abc import Mapping
from typing import Any

from events.domain.catalogue import is_journal_name
from events.domain.json_pointer import pointer_to
from ledger.domain.approval import QUORUM_MAX, TITLE_CHARS_MAX
from ledger.domain.capability import Risk
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step import (
    AWAITING_TYPES,
    DEADLINE_MS_MAX,
    Script,
    Step,
    StepType,
)

APPROVAL_TTL_MS_MAX = 90 * 86_400_000

_Members = Mapping[str, tuple[type, str]]
_MEMBERS: Mapping[str, _Members] = {
    StepType.PYTHON: {
        "callable": (str, "a name"),
        "compensate": (str, "a name"),
    },
    StepType.APPROVAL: {
        "policy": (str, "a name"),
        "title": (str, "a text"),
        "reason": (str, "a text"),
        "risk": (str, "a text"),
        "ttl_ms": (int, "a number of milliseconds"),
        "quorum": (int, "a number of people"),
    },
    StepType.WAIT: {
        "for_ms": (int, "a number of milliseconds"),
        "event": (str, "a name"),
        "filter": (dict, "a script and its language"),
    },
}
_FILTER: _Members = {"language": (str, "a name"), "script": (str, "a text")}


def check(step: Step) -> None:
    """Check the settings of a step of a type of ours, except whether its condition compiles.

    :raises StepInvalid: with the message of the first broken rule.
    """
    settings = step.settings or {}
    _check_members(settings, _MEMBERS[step.type], of=step.type)
    if step.type == StepType.PYTHON and not settings.get("callable"):
        raise StepInvalid("python callable required", pointer="/python/callable")
    if step.type == StepType.APPROVAL:
        _check_approval(settings)
    if step.memoizable and step.type in AWAITING_TYPES:
        # A memoized answer would be an approval that was not given.
        raise StepInvalid("memoizable not allowed for step type", pointer="/memoizable")
    if step.type == StepType.WAIT:
        _check_wait(settings)


def event_of(step: Step) -> str:
    """Return the name of the event that a wait step waits for; empty if it waits for none."""
    return str((step.settings or {}).get("event", "")) if step.type == StepType.WAIT else ""


def condition_of(step: Step) -> Script | None:
    """Return a wait step's condition on an event's data (`value`); None if it has none."""
    condition = (step.settings or {}).get("filter") if step.type == StepType.WAIT else None
    if not condition:
        return None
    return Script(language=condition["language"], text=condition["script"])


def _check_members(settings: Mapping[str, Any], known: _Members, *, of: str) -> None:
    at = pointer_to(*of.split(" "))
    for name, value in settings.items():
        if name not in known:
            # What a function is told beside its inputs is between it and the step's author.
            if of == StepType.PYTHON:
                continue
            raise StepInvalid(f"{of} has no member {name}", pointer=at + pointer_to(name))
        kind, what = known[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise StepInvalid(f"{of} {name} must be {what}", pointer=at + pointer_to(name))


def _check_approval(asks: Mapping[str, Any]) -> None:
    _check_limits(asks, of="approval", quorum=(1, QUORUM_MAX), ttl_ms=(1, APPROVAL_TTL_MS_MAX))
    if len(asks.get("title", "")) > TITLE_CHARS_MAX:
        raise StepInvalid(
            f"approval title must have at most {TITLE_CHARS_MAX} characters",
            pointer="/approval/title",
        )
    if asks.get("risk", Risk.MEDIUM) not in set(Risk):
        raise StepInvalid(f"invalid approval risk: {asks['risk']}", pointer="/approval/risk")


def _check_wait(wait: Mapping[str, Any]) -> None:
    _check_limits(wait, of="wait", for_ms=(0, DEADLINE_MS_MAX))
    event = wait.get("event")
    if not wait.get("for_ms") and not event:
        raise StepInvalid("wait needs for_ms or event", pointer="/wait")
    if event and is_journal_name(event):
        raise StepInvalid("wait for a dotted event name", pointer="/wait/event")
    if condition := wait.get("filter"):
        if not event:
            raise StepInvalid("only an event can be filtered", pointer="/wait/filter")
        _check_members(condition, _FILTER, of="wait filter")
        for name in _FILTER:
            if not condition.get(name):
                raise StepInvalid(f"wait filter {name} empty", pointer=f"/wait/filter/{name}")


def _check_limits(settings: Mapping[str, Any], *, of: str, **limits: tuple[int, int]) -> None:
    for name, (least, most) in limits.items():
        if not least <= settings.get(name, least) <= most:
            raise StepInvalid(
                f"{of} {name} must be between {least} and {most}", pointer=f"/{of}/{name}"
            )

"""Starts: validates their definitions, and derives the initial attributes from an event."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from events.domain.catalogue import is_journal_name
from events.domain.errors import NotFound, Rejected
from workflows.flows.domain import ids
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script

NAME_CHARS_MAX = 100
CHAIN = "start_chain"
"""The key of a flow's metadata that says by which starts it came about."""
_OF_EVERY_OCCASION = frozenset({"flow_start.fired", "flow_start.refused"})


class StartInvalid(Rejected):
    code = "flow_start_invalid"
    hint = "Correct the definition; nothing was changed."

    def __init__(self, reason: str, *, pointer: str) -> None:
        super().__init__(reason, pointer=pointer)


class StartUnknown(NotFound):
    code = "flow_start_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no start called {name}.", name=name)


class StartLoops(Rejected):
    code = "flow_start_loops"
    hint = "Have one of these flows emit another event, or tell them apart by a filter."

    def __init__(self, name: str, chain: Sequence[str], reason: str) -> None:
        way = " → ".join([*chain, name])
        super().__init__(f"{reason}: {way}", name=name, chain=[*chain])


class Paths(Protocol):
    """The part of the script languages that is asked here."""

    def map_output(self, script: Script, outputs: Mapping[str, Any]) -> Any: ...


def check(*, name: str, cron: str, event: str, takes: Mapping[str, str]) -> None:
    """Check everything that does not need the catalog of steps.

    :raises StartInvalid: if a rule is broken.
    """
    _check_name(name)
    if bool(cron) == bool(event):
        raise StartInvalid("give exactly one of cron and event", pointer="/cron")
    if event and is_journal_name(event):
        raise StartInvalid("start on a dotted event name", pointer="/event")
    if event in _OF_EVERY_OCCASION:
        raise StartInvalid(
            "every occasion of a start makes it: it may go on for ever", pointer="/event"
        )
    if takes and not event:
        raise StartInvalid("only an event has something to take", pointer="/takes")


def _check_name(name: str) -> None:
    if not name:
        raise StartInvalid("a start needs a name", pointer="/name")
    if len(name) > NAME_CHARS_MAX:
        raise StartInvalid(
            f"a name has at most {NAME_CHARS_MAX} characters; this one has {len(name)}",
            pointer="/name",
        )
    if name.strip("-") != name:
        raise StartInvalid("a name neither begins nor ends with -", pointer="/name")
    if ids.sanitized(name) != name:
        raise StartInvalid("a name is lower case letters, digits, . _ + and -", pointer="/name")


def init_from(
    init: Mapping[str, list[Any]], takes: Mapping[str, str], data: Mapping[str, Any], paths: Paths
) -> dict[str, list[Any]]:
    """Return the init of a flow that an event starts: fixed values, and values taken from it.

    :raises ScriptFailed: if a path finds nothing in the event.
    """
    taken: dict[str, list[Any]] = {}
    for name, path in takes.items():
        try:
            taken[name] = [paths.map_output(Script(language="jpath", text=path), data)]
        except ScriptFailed as lacking:
            raise ScriptFailed(f"{name}: {lacking}") from lacking
    return {**init, **taken}


def chain_of(metadata: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the starts that led to a flow, the first one first; a child is its parent's."""
    own = options.get("started_by_start")
    return tuple(metadata.get(CHAIN) or ([own] if own else []))


def check_chain(name: str, chain: Sequence[str], *, chain_max: int) -> None:
    """Check that one more start may follow from `chain`.

    :raises StartLoops: if a flow of this start made the event, or the chain is too long.
    """
    if name in chain[-1:]:
        raise StartLoops(
            name, chain, "a flow of this start made the event: it would go on for ever"
        )
    if len(chain) >= chain_max:
        raise StartLoops(
            name, chain, f"{chain_max} starts led to each other: it may go on for ever"
        )


def flow_id_of(name: str, occasion: str) -> str:
    """Name the flow of one slot or one event: the same occasion is the same flow."""
    return f"{name}-{ids.sanitized(occasion)}"


def slot_from(occasion: str) -> datetime | None:
    """Return the slot that an occasion is; None if it is an event."""
    try:
        return datetime.strptime(occasion, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def slot_of(causation_id: str, schedule: str, *, otherwise: datetime) -> str:
    """Return which slot of a schedule caused this, as a part of an id."""
    slot = causation_id.removeprefix(f"schedule:{schedule}:")
    if slot == causation_id:
        slot = otherwise.strftime("%Y-%m-%dT%H:%M:%SZ")
    return slot.replace("-", "").replace(":", "")

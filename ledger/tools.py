"""The tools of agents: list, read, request, execute, status. Transports are elsewhere.

Whatever happens, the answer is an outcome and never an exception: `done`, `found`,
`needs_approval` (which, and where), `denied` (because of what) or `refused`. The protocol would
tell an agent the words of an exception, and those of a database hold SQL. Text that comes
from data is data: nothing in it can approve anything, for there is no tool that approves.
"""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from events import context
from events.domain import canonical, schema, strict_json
from events.domain.context import Origin
from events.domain.errors import (
    DomainError,
    Forbidden,
    Malformed,
    Rejected,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from events.ids import uuid_of
from ledger import commands, idempotency, readings
from ledger.access import authority
from ledger.access.authority import Caller
from ledger.approving import reference, steps
from ledger.approving.gate import ApprovalRequired
from ledger.commands import Command
from ledger.disclosure import disclosing
from ledger.domain.approval import ApprovalNotFound, ApprovalStatus
from ledger.domain.keyed import Keyed
from ledger.domain.validation import ApprovalExpired, ApprovalNotApproved, why_over
from ledger.entries import ActionRepeated
from ledger.models import Approval
from ledger.privacy import subjects

logger = logging.getLogger(__name__)

JSON = dict[str, Any]
_ID: Final = {"type": "string", "maxLength": 200}
_KEY: Final = {"type": "string", "minLength": 1, "maxLength": idempotency.KEY_CHARS_MAX}
_BROKEN: Final = {
    "outcome": "refused",
    "because": "internal_error",
    "detail": "The server failed unexpectedly.",
    "hint": "Tell your owner; a retry with the same idempotency_key does no harm.",
}
_ASKED: Final = ("command", "target_id", "input")
_CALL_AGAIN: Final = (
    "call `execute` with the same arguments, this idempotency_key and this approval_id."
)
_NEXT: Final = {
    ApprovalStatus.PENDING.value: "Wait until a person has approved it: ask `status`. Then "
    f"{_CALL_AGAIN} You cannot approve it yourself.",
    ApprovalStatus.APPROVED.value: f"It is approved: {_CALL_AGAIN}",
}


_DENIALS: Final = (Forbidden, Throttled, Unauthenticated, ApprovalNotApproved, ApprovalExpired)
"""What the agent may not, or somebody has not let it; all else is refused as it was asked."""


class ForAgentsOnly(Forbidden):
    code = "tools_are_for_agents"
    hint = "Use the key of an agent; users and integrations use the console and the API."

    def __init__(self) -> None:
        super().__init__("The tools are only for agents.")


class ToolUnknown(Rejected):
    code = "tool_unknown"
    hint = "The protocol lists the tools."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no tool {name!r}.", name=name)


class ToolInputInvalid(Rejected):
    code = "tool_input_invalid"
    hint = "Correct the arguments; see the schema of the tool."

    def __init__(self, name: str, pointer: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}.", pointer=pointer, tool=name)


class DatabaseAway(Unavailable):
    """The database is not available."""

    code = "database_unavailable"
    hint = "Repeat the request, with the same Idempotency-Key, after Retry-After."
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("The database is not available.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool; `changes` says whether it may change something."""

    name: str
    meaning: str
    schema: JSON
    call: Callable[[Caller, JSON], JSON]
    changes: bool = False


def admitted(written_key: str) -> Caller:
    """Return the agent whose key this is.

    :raises CredentialRefused: if it is no live key.
    :raises AgentStopped: if it is one, and the agent is stopped.
    :raises ForAgentsOnly: if it is the key of a person.
    :raises DatabaseAway: if the database is not available.
    """
    try:
        caller = authority.bearer(f"Bearer {written_key}")
    except (OperationalError, InterfaceError) as error:
        raise _away(error) from error
    if not caller.is_agent:
        raise ForAgentsOnly
    return caller


def call(name: str, arguments: Mapping[str, Any], *, written_key: str) -> JSON:
    """Call a tool as the agent whose key this is. The key is checked anew each time."""
    try:
        return _called(name, arguments, admitted(written_key))
    except DomainError as why:
        return _outcome_of(why)
    except (OperationalError, InterfaceError) as error:
        return _outcome_of(_away(error))
    except Exception:
        logger.exception("A tool is broken.", extra={"tool": name[:60]})
        return _BROKEN


def every() -> list[Tool]:
    """Return all tools."""
    return list(_TOOLS.values())


def _called(name: str, arguments: Mapping[str, Any], caller: Caller) -> JSON:
    tool = _checked(name, arguments)
    origin = Origin(caller_type="mcp", route=lambda: f"mcp {name}")
    with context.acting(caller.principal, origin=origin):
        return tool.call(caller, dict(arguments))


def _away(error: Exception) -> DatabaseAway:
    logger.warning("The database does not answer.", exc_info=error)
    return DatabaseAway()


def _checked(name: str, arguments: Mapping[str, Any]) -> Tool:
    tool = _TOOLS.get(name)
    if tool is None:
        raise ToolUnknown(name)
    try:
        # What the transport lets through, and the database would refuse: NUL, huge integers.
        strict_json.loads(json.dumps(arguments))
    except Malformed as odd:
        raise ToolInputInvalid(name, "", str(odd).removesuffix(".")) from odd
    for pointer, fault in schema.faults(tool.schema, dict(arguments)):
        raise ToolInputInvalid(name, pointer, fault)
    return tool


def _outcome_of(why: DomainError) -> JSON:
    if isinstance(why, ApprovalRequired):
        return _standing(why.approval)
    if isinstance(why, ActionRepeated):
        entry = why.entry
        return _done(entry.target_type, entry.target_id, replayed=True)
    is_denied = isinstance(why, _DENIALS)
    answer = {
        "outcome": "denied" if is_denied else "refused",
        "because": why.code,
        "detail": str(why),
        "hint": why.hint,
        "pointer": why.pointer,
        "facts": why.facts,
        # What is a header over HTTP.
        "retry_after_seconds": getattr(why, "retry_after_seconds", None),
    }
    return {name: value for name, value in answer.items() if value}


def _done(type_: str, id_: str, *, replayed: bool = False) -> JSON:
    return {"outcome": "done", "target_type": type_, "target_id": id_, "replayed": replayed}


def _standing(row: Approval) -> JSON:
    """Return the state of an approval, and what to do next."""
    why = why_over(steps.granted_by(row), at=timezone.now())
    if why is not None:
        return _outcome_of(why)
    return {
        "outcome": "needs_approval",
        "approval_id": str(row.pk),
        "idempotency_key": row.idempotency_key,
        "url": f"/api/v1/ledger/approvals/{row.pk}",
        "status": row.status,
        "expires_at": row.expires_at.isoformat(),
        "next": _NEXT[row.status],
    }


# --- the tools ------------------------------------------------------------------------------


def _list(caller: Caller, asked: JSON) -> JSON:
    if type_ := asked.get("type"):
        size = asked.get("limit", readings.PAGE_MAX)
        found = readings.page(type_, caller=caller, after=asked.get("after", ""), size=size)
        return {"outcome": "found", "type": type_, "items": found}
    disclosing.note_read("agent.read", target_id=caller.principal.id, is_within_scope=False)
    return {
        "outcome": "found",
        "commands": [_described(each) for each in commands.every() if _reaches(caller, each)],
        "types": [
            {"type": each.type, "meaning": each.meaning}
            for each in readings.every()
            if caller.holds_somewhere(each.capability)
        ],
    }


def _reaches(caller: Caller, command: Command) -> bool:
    return caller.holds_somewhere(command.capability)


def _described(command: Command) -> JSON:
    return {
        "command": command.name,
        "version": command.version,
        "meaning": command.meaning,
        "target_type": command.target_type,
        "makes_its_target": command.makes,
        "input_schema": command.input_schema,
    }


def _read(caller: Caller, asked: JSON) -> JSON:
    shown = readings.show(asked["type"], asked["id"], caller=caller)
    return {"outcome": "found", "type": asked["type"], "thing": shown}


def _request(caller: Caller, asked: JSON) -> JSON:
    with reference.only_asking():
        return _carry_out(caller, asked)


def _execute(caller: Caller, asked: JSON) -> JSON:
    approval_id = asked.get("approval_id")
    with reference.presenting(approval_id) if approval_id else nullcontext():
        return _carry_out(caller, asked)


def _carry_out(caller: Caller, asked: JSON) -> JSON:
    command = commands.get(asked["command"])
    target_id = asked.get("target_id", "")
    if bool(target_id) is command.makes:
        detail = "it makes its target" if command.makes else "it needs the id of its target"
        raise ToolInputInvalid(command.name, "/target_id", detail)
    if not target_id:
        caller.demand(command.capability)
    else:
        readings.demand(command.target_type, target_id, command.capability, caller=caller)
        if uuid_of(target_id) is None and readings.thing(command.target_type, target_id) is None:
            raise readings.ThingNotFound(command.target_type, target_id)
    with idempotency.exchange() as exchange:
        try:
            before = exchange.begin(_once(caller, asked))
            if before is not None:
                return _done(command.target_type, before, replayed=True)
            made = commands.run(command.name, target_id=target_id, input=asked.get("input", {}))
        finally:
            exchange.end()
    return _done(command.target_type, made)


def _once(caller: Caller, asked: JSON) -> idempotency.Request:
    digest = canonical.fingerprint({name: asked.get(name) for name in _ASKED})
    return idempotency.Request(
        scope=f"{caller.principal} mcp",
        key=asked["idempotency_key"],
        # Keys of the day before the upgrade stand with the plain digest.
        fingerprint=Keyed([*subjects.fingerprint_of(digest, of="tool").under, digest]),
        keeps_response=False,
    )


def _status(caller: Caller, asked: JSON) -> JSON:
    id_ = uuid_of(asked["approval_id"])
    disclosing.note_read("approval.read", target_id=asked["approval_id"], is_within_scope=False)
    row = None if id_ is None else Approval.objects.filter(pk=id_).first()
    # What others have asked for is none of an agent's business: not even that there is any.
    if row is None or row.requested_by != str(caller.principal):
        raise ApprovalNotFound(asked["approval_id"])
    if (execution := steps.execution_of(row.pk)) is not None:
        return _done(execution.target_type, execution.target_id)
    return _standing(row)


def _schema(required: tuple[str, ...], **properties: Any) -> JSON:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_CALL: Final = {
    "command": {"type": "string", "description": "One of those that `list` names."},
    "target_id": {**_ID, "description": "Empty for a command that makes its target."},
    "input": {"type": "object", "description": "As the input_schema of the command says."},
    "idempotency_key": {**_KEY, "description": "Fresh for each intent, the same on every retry."},
}
_TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            name="list",
            meaning="Without a type: the commands and types within reach. With one: its things.",
            schema=_schema(
                (),
                type={"type": "string"},
                after={**_ID, "description": "The last id of the page before."},
                limit={"type": "integer", "minimum": 1, "maximum": readings.PAGE_MAX},
            ),
            call=_list,
        ),
        Tool(
            name="read",
            meaning="Look at one thing. That you did is on record.",
            schema=_schema(("type", "id"), type={"type": "string"}, id=_ID),
            call=_read,
        ),
        Tool(
            name="request",
            meaning="Ask for approval of a command. Nothing is done, whatever the answer.",
            schema=_schema(("command", "idempotency_key"), **_CALL),
            call=_request,
            changes=True,
        ),
        Tool(
            name="execute",
            meaning="Carry out a command: it answers done, needs_approval, or denied because.",
            schema=_schema(("command", "idempotency_key"), **_CALL, approval_id=_ID),
            call=_execute,
            changes=True,
        ),
        Tool(
            name="status",
            meaning="Say how an approval stands that you have asked for.",
            schema=_schema(("approval_id",), approval_id=_ID),
            call=_status,
        ),
    )
}

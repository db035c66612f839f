"""Fires a start on one occasion: starts a flow, or records why not.

No caller waits for the answer, so every refusal is an event of the start. A missing permission,
and a chain that would never end, are ledger entries too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from events import context, recorder
from events.domain.envelope import Envelope
from events.domain.errors import DomainError, Forbidden, NotFound, Rejected
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.access import current_rights
from ledger.domain.action import Action, Proof
from ledger.domain.delegation import OutsideHours
from workflows.flows import actions, beginning, conf, selectors
from workflows.flows.beginning import Wanted
from workflows.flows.domain import start as rules
from workflows.flows.domain.errors import FlowBusy, FlowExists
from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.start import StartLoops
from workflows.flows.languages import LANGUAGES
from workflows.flows.models import FlowStart
from workflows.flows.steps import waiting
from workflows.flows.triggers import starts

BY_ITSELF: Final = Principal(kind=PrincipalKind.SYSTEM, id="flow-start")


def start_now(*, name: str, occasion: str, envelope: Envelope | None = None) -> dict[str, str]:
    """Start the flow of one slot or event, and return what became of it. A repetition finds the
    same flow.

    The present permissions of the declarer count: without them the start is paused.
    """
    start = FlowStart.objects.filter(name=name, enabled=True).first()
    if start is None:
        return {"skipped": "it was removed or switched off"}
    data = envelope.data if envelope else {}
    script = starts.filter_of(start)
    if envelope is not None and script is not None and not waiting.accepts(script, data):
        return {"skipped": "the filter does not accept the event"}
    flow_id = rules.flow_id_of(name, occasion)
    try:
        current_rights.demand_current(Principal.parse(start.declared_by), *starts.NEEDED)
        chain = _chain_before(envelope)
        rules.check_chain(name, chain, chain_max=conf.current().start_chain_max)
        _start(start, occasion, data, chain)
    except FlowExists:
        pass  # The definition has changed since this occasion started its flow.
    except (OutsideHours, StartLoops) as refusal:
        return _refused(start, occasion, refusal, is_denial=True)
    except Forbidden as refusal:
        return _paused(start, occasion, refusal)
    except (FlowBusy, ScriptFailed, Rejected, NotFound) as refusal:
        return _refused(start, occasion, refusal)
    return {"flow_id": flow_id}


def _start(start: FlowStart, occasion: str, data: Mapping[str, Any], chain: Sequence[str]) -> None:
    flow_id = rules.flow_id_of(start.name, occasion)
    options = {**start.options, "started_by_start": start.name}
    init = rules.init_from(start.init, start.takes, data, LANGUAGES)
    wanted = Wanted(
        flow_id=flow_id, goals=start.goals, init=init, labels=start.labels, options=options
    )
    command = beginning.command_for(wanted)
    command = replace(command, metadata={rules.CHAIN: [*chain, start.name]})
    by = Principal.parse(start.declared_by)
    action = actions.starting(flow_id, command, delegated_by=by)
    says = f"Started by {start.name} for {', '.join(start.goals)}."

    def emit_fired(proof: Proof) -> None:
        fired = {"name": start.name, "flow_id": flow_id, "occasion": occasion}
        _emit("fired", start, {**fired, "entry_id": str(proof.entry_id)})

    with context.on_behalf_of(BY_ITSELF):
        beginning.begin(flow_id, command, action, says=says, then=emit_fired)


def _chain_before(envelope: Envelope | None) -> tuple[str, ...]:
    """Return the starts that led to an event: those of the flow that made it."""
    maker = selectors.acting_as(envelope.principal) if envelope is not None else None
    return rules.chain_of(maker.metadata, maker.options) if maker is not None else ()


def _paused(start: FlowStart, occasion: str, why: DomainError) -> dict[str, str]:
    """Switch a start off whose declarer may not have it any more, on record."""
    declarer, reason = Principal.parse(start.declared_by), str(why)
    action = actions.pausing_start(start.name, declared_by=declarer, reason=reason)
    with context.on_behalf_of(BY_ITSELF), recording.recorded(action) as proof:
        same = FlowStart.objects.filter(name=start.name, version=start.version, enabled=True)
        known = same.select_for_update().first()
        if known is None:
            proof.changes_nothing()
            return {"skipped": "it was declared anew meanwhile"}
        known.enabled, known.paused_because = False, reason
        known.version += 1
        known.updated_at = timezone.now()
        known.save()
        starts.set_schedule(known, enabled=False)
        data = {"name": start.name, "reason": reason, "declared_by": start.declared_by}
        _emit("paused", start, {**data, "occasion": occasion, "entry_id": str(proof.entry_id)})
        proof.says(f"Paused: {start.declared_by} may not let flows start any more.")
        recording.record_denial_in_transaction(_action(start, occasion, why), why)
    return {"paused": reason}


def _refused(
    start: FlowStart, occasion: str, why: Exception, *, is_denial: bool = False
) -> dict[str, str]:
    flow_id = rules.flow_id_of(start.name, occasion)
    data = {"name": start.name, "flow_id": flow_id, "occasion": occasion, "reason": str(why)}
    if isinstance(why, DomainError):
        data["code"] = why.code
    with context.on_behalf_of(BY_ITSELF), transaction.atomic(durable=True):
        if is_denial and isinstance(why, DomainError):
            entry_id = recording.record_denial_in_transaction(_action(start, occasion, why), why)
            data["entry_id"] = str(entry_id)
        _emit("refused", start, data)
    return {"refused": str(why)}


def _emit(what: str, start: FlowStart, data: dict[str, str]) -> None:
    recorder.emit(f"flow_start.{what}", data, stream=starts.stream_of(start.name))


def _action(start: FlowStart, occasion: str, why: DomainError) -> Action:
    declarer = Principal.parse(start.declared_by)
    flow_id = rules.flow_id_of(start.name, occasion)
    return replace(actions.starting(flow_id, delegated_by=declarer), reason=str(why))

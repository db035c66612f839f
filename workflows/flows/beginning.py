"""Starts flows, for every caller: plans, records, and detects a repeated start."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from django.db import IntegrityError

from events import context
from events.domain.canonical import first_difference
from events.domain.principal import Principal
from events.store import StreamMoved
from ledger import idempotency, recording
from ledger.domain.action import Action, Proof
from workflows.flows import selectors
from workflows.flows.domain import commands as asked
from workflows.flows.domain import ids, limits
from workflows.flows.domain import start as starting
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.errors import FlowBusy, FlowExists, FlowUnknown
from workflows.flows.domain.flow import FORKED_AT, Flow
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Step
from workflows.flows.execution import engine, plans
from workflows.flows.languages import LANGUAGES
from workflows.work.handover import TakenWork


def command_for(
    flow_id: str,
    goals: Sequence[str],
    init: Mapping[str, list[Any]],
    labels: Mapping[str, str] | None,
    options: Mapping[str, Any] | None,
    steps: Sequence[Step] = (),
) -> asked.StartFlow:
    """Return the command that starts a flow with its plan; the starts that led here go along.

    :raises FlowInvalid: if the request breaks a limit.
    :raises GoalsUnknown: if a goal is not among `steps`, or else not registered.
    """
    limits.check_start(flow_id, goals, init, labels or {})
    limits.check_options(options or {})
    if steps:
        own = Catalog(steps={step.id: step for step in steps})
        plan = make_plan(own, goals, init, matches=LANGUAGES.matches)
    else:
        plan = plans.make(engine.catalog(), goals, init)
    engine.health_of_late()
    return asked.StartFlow(
        plan=plan,
        init=init,
        labels=labels or {},
        options=options or {},
        metadata=_lineage(context.current().principal),
    )


def _lineage(starter: Principal) -> dict[str, Any]:
    """Return what a flow that another one starts has from it: the starts that led known."""
    maker = selectors.acting_as(starter)
    chain = starting.chain_of(maker.metadata, maker.options) if maker else ()
    return {starting.CHAIN: [*chain]} if chain else {}


def begin(
    flow_id: str,
    command: asked.StartFlow,
    action: Action,
    *,
    says: str,
    taken: TakenWork | None = None,
    then: Callable[[Proof], None] | None = None,
) -> Flow:
    """Start a flow that is thought to be new; if it is not, it must be the same.

    `then` is called last in the transaction of a flow that was new.
    Whoever `action` is delegated by is in whose name the flow starts: four eyes are not theirs.

    :raises FlowInvalid: if its child flows nest too deep.
    :raises FlowExists: if the id is taken by another flow.
    :raises FlowBusy: if another flow holds the concurrency key.
    """
    limits.check_children(flow_id, command.plan)
    by = action.delegated_by
    try:
        with recording.recorded(action) as proof:
            proof.says(says)
            with context.on_behalf_of(by) if by else nullcontext():
                made = engine.handle_in_transaction(flow_id, command, is_new=True, taken=taken)
            if then is not None:
                then(proof)
            return made.state
    except IntegrityError as error:
        raise _busy(error, command) from error
    except StreamMoved:
        return _known(command, flow_id)


def found(flow_id: str) -> Flow:
    """Return a flow.

    :raises FlowUnknown: if known is none.
    """
    flow = engine.flow(flow_id)
    if flow is None:
        raise FlowUnknown(flow_id)
    return flow


def _busy(error: IntegrityError, command: asked.StartFlow) -> Exception:
    if "flows_one_active_flow_per_concurrency_key" not in str(error):
        return error
    key = str(command.options.get("concurrency_key", ""))
    return FlowBusy(key, flow_id=selectors.active_flow_of(key))


def _known(command: asked.StartFlow, flow_id: str) -> Flow:
    with idempotency.transaction() as unit:
        unit.refer(ids.recorded_as(flow_id))
        return _same(command, flow_id)


def _same(command: asked.StartFlow, flow_id: str) -> Flow:
    known = found(flow_id)
    same_init = {name: list(values) for name, values in command.init.items() if values}
    origins = [known.options.get(name) for name in _ORIGIN]
    if (
        known.plan.goals != command.plan.goals
        or first_difference(dict(known.init), same_init)
        or origins != [command.options.get(name) for name in _ORIGIN]
    ):
        raise FlowExists(flow_id)
    return known


_ORIGIN = ("forked_from", FORKED_AT)

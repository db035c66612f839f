"""Starts flows, for every caller: plans, records, and detects a repeated start."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError

from events import context
from events.companions import Deferred, Premise, PremiseMoved
from events.domain.canonical import first_difference
from events.domain.errors import DomainError
from events.domain.principal import Principal
from events.store import StreamMoved
from ledger import idempotency, recording
from ledger.domain.action import Action, Proof
from workflows.flows import actions, selectors
from workflows.flows.domain import commands as asked
from workflows.flows.domain import ids, limits
from workflows.flows.domain import start as starting
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.errors import FlowBusy, FlowExists, FlowUnknown
from workflows.flows.domain.flow import FORKED_AT, Flow
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Step
from workflows.flows.execution import engine, plans
from workflows.flows.languages.in_place import InPlace
from workflows.work.handover import TakenWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a flow is started for, in the words of `services.start_flow`."""

    flow_id: str
    goals: Sequence[str]
    init: Mapping[str, list[Any]]
    labels: Mapping[str, str]
    options: Mapping[str, Any]


def start(wanted: Wanted, *, taken: TakenWork | None = None) -> Flow:
    """Start a flow with steps of the catalog. Raises as `command_for` and `begin` do.

    It is planned with the steps that this process has cached. If the catalog has changed since,
    the statement that starts the flow fails, and the flow is planned anew.
    """
    _check(wanted)
    known = engine.catalog_last_seen()
    if known is not None:
        catalog, premise = known
        try:
            command = _command(wanted, plans.make(catalog, wanted.goals, wanted.init))
        except DomainError:
            pass  # A refusal has to be of the latest.
        else:
            try:
                return _start(wanted.flow_id, command, taken=taken, premise=premise)
            except PremiseMoved:
                pass
    return _start(wanted.flow_id, command_for(wanted), taken=taken)


def start_with(wanted: Wanted, steps: Sequence[Step]) -> Flow:
    """Start a flow that brings its own steps. Raises as `command_for` and `begin` do."""
    _check(wanted)
    own = Catalog(steps={step.id: step for step in steps})
    plan = make_plan(own, wanted.goals, wanted.init, matches=InPlace().matches)
    return _start(wanted.flow_id, _command(wanted, plan))


def _start(
    flow_id: str,
    command: asked.StartFlow,
    *,
    taken: TakenWork | None = None,
    premise: Premise | None = None,
) -> Flow:
    says = f"Started for {', '.join(command.plan.goals)}."
    action = actions.starting(flow_id, command)
    return begin(flow_id, command, action, says=says, taken=taken, premise=premise)


def command_for(wanted: Wanted) -> asked.StartFlow:
    """Return the command that starts a flow with its plan; the starts that led here go along.

    :raises FlowInvalid: if the request breaks a limit.
    :raises GoalsUnknown: if a goal is not registered.
    """
    _check(wanted)
    return _command(wanted, plans.make(engine.catalog(), wanted.goals, wanted.init))


def _check(wanted: Wanted) -> None:
    limits.check_start(wanted.flow_id, wanted.goals, wanted.init, wanted.labels)
    limits.check_options(wanted.options)


def _command(wanted: Wanted, plan: Plan) -> asked.StartFlow:
    engine.health_of_late()
    return asked.StartFlow(
        plan=plan,
        init=wanted.init,
        labels=wanted.labels,
        options=wanted.options,
        metadata=_lineage(context.current().principal),
    )


def _lineage(starter: Principal) -> dict[str, Any]:
    """Return the starts that led to a flow, which it inherits from the flow that starts it."""
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
    premise: Premise | None = None,
    then: Callable[[Proof], None] | None = None,
) -> Flow:
    """Start a flow. If one with that id exists already, it must be the same, and is returned.

    `then` is called last in the transaction of a new flow. Without it, the flow and its entry are
    one statement (ADR 0192). If `action` is delegated, the flow starts in the name of the one who
    delegated it, who then cannot approve its steps.

    :raises FlowInvalid: if its child flows nest too deep.
    :raises FlowExists: if the id is taken by another flow.
    :raises FlowBusy: if another flow holds the concurrency key.
    :raises PremiseMoved: if the `premise` of the plan holds no longer.
    """
    limits.check_children(flow_id, command.plan)
    by = action.delegated_by
    deferred = Deferred() if then is None else None
    new = engine.Start(taken=taken, premise=premise, deferred=deferred)
    try:
        with recording.recorded(action, after=deferred) as proof:
            proof.says(says)
            with context.on_behalf_of(by) if by else nullcontext():
                made = engine.handle_in_transaction(flow_id, command, start=new)
            if made.state.is_over:
                _demand_free(command, flow_id)
            if then is not None:
                then(proof)
            return made.state
    except IntegrityError as error:
        raise _busy(error, command) from error
    except StreamMoved:
        return _known(command, flow_id)


def found(flow_id: str) -> Flow:
    """Return a flow.

    :raises FlowUnknown: if there is none.
    """
    flow = engine.flow(flow_id)
    if flow is None:
        raise FlowUnknown(flow_id)
    return flow


def _demand_free(command: asked.StartFlow, flow_id: str) -> None:
    """Refuse a flow that is over at once if another one holds its concurrency key.

    Of two that are active, the database refuses one.
    """
    key = str(command.options.get("concurrency_key") or "")
    if key and (holder := selectors.active_flow_of(key)) and holder != flow_id:
        raise FlowBusy(key, flow_id=holder)


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

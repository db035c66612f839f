"""Queries of steps and flows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, Q, When

from events import selectors as log
from events.domain.envelope import Envelope, Stream
from events.domain.errors import DomainError
from events.domain.principal import Principal, PrincipalKind
from events.domain.streams import StreamMalformed, StreamTooLong
from ledger import selectors as ledger
from workflows.flows import conf
from workflows.flows.domain import ids
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.cluster import Cluster, Health, HealthStatus, cluster_as_json
from workflows.flows.domain.flow import Flow, FlowStatus, WorkStatus
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import StepType
from workflows.flows.domain.times import NEVER, written
from workflows.flows.execution import approval_requests, engine
from workflows.flows.languages.in_place import InPlace
from workflows.flows.models import FlowSummary

CHILDREN_SHOWN_MAX = 200
_NUMBER_CHARS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The approval that one item of a step is."""

    step_id: str
    token: str
    approval_id: UUID
    status: str
    expires_at: datetime


def status_of(flow_id: str) -> str | None:
    """Return the status of a flow in the list, None if there is no such flow."""
    if not ids.is_storable(flow_id):
        return None
    found = FlowSummary.objects.filter(flow_id=flow_id).values_list("status", flat=True)
    return next(iter(found), None)


def free_id(wanted: str) -> str:
    """Return `wanted`, or if that is the id of a flow, with the first number that makes it none."""
    numbered = (f"{wanted}-{number}" for number in count(2))
    return next(one for one in chain([wanted], numbered) if status_of(one) is None)


def count_under_way() -> tuple[int, int]:
    """Return how many flows are active, child flows among them, and how many of them paused."""
    # Index flows_by_status.
    found = FlowSummary.objects.filter(status=FlowStatus.ACTIVE.value).aggregate(
        active=Count("pk"), paused=Count("pk", filter=Q(is_paused=True))
    )
    return found["active"], found["paused"]


def active_flow_of(concurrency_key: str) -> str:
    """Return the id of the active flow with this key; empty if there is none any more."""
    rows = FlowSummary.objects.exclude(concurrency_key="").filter(concurrency_key=concurrency_key)
    found = rows.filter(status=FlowStatus.ACTIVE.value).values_list("flow_id", flat=True)
    return next(iter(found[:1]), "")


def children_of(flow_id: str) -> list[FlowSummary]:
    """Return the flows that flow steps of a flow began, in order, at most CHILDREN_SHOWN_MAX.

    Of more than that, those that failed or could not be undone, then those under way.
    """
    is_bad = Q(status=FlowStatus.FAILED.value) | Q(is_partly_undone=True)
    urgency = Case(When(is_bad, then=0), When(status=FlowStatus.ACTIVE.value, then=1), default=2)
    rows = FlowSummary.objects.filter(parent_flow_id=flow_id)
    first = rows.order_by(urgency, "started_at", "flow_id")[:CHILDREN_SHOWN_MAX]
    return sorted(first, key=lambda row: (row.started_at, row.flow_id))


def count_children(flow_id: str) -> int:
    """Return how many flows the flow steps of a flow began."""
    return FlowSummary.objects.filter(parent_flow_id=flow_id).count()


def forks_of(flow_id: str) -> list[FlowSummary]:
    """Return the flows that were forked from this one, in order, at most CHILDREN_SHOWN_MAX."""
    rows = FlowSummary.objects.exclude(forked_from="").filter(forked_from=flow_id)
    return list(rows.order_by("started_at", "flow_id")[:CHILDREN_SHOWN_MAX])


def requests_of(
    flow: Flow, step_id: str = "", *, tokens: Iterable[str] | None = None
) -> list[Requested]:
    """Return the approvals that a flow, or one of its steps, has asked for, in input order.

    Those of the items with these `tokens`, or of all. At most CHILDREN_SHOWN_MAX; of more than
    that, those that are waited for. Nothing is looked for if no step of it is an approval.
    """
    among = None if tokens is None else set(tokens)
    every = [
        (one, item)
        for one, execution in flow.executions.items()
        if flow.step(one).type == StepType.APPROVAL and step_id in {"", one}
        for item in execution.in_order()
        if among is None or item.token in among
    ]
    waited_for_first = sorted(every, key=lambda pair: pair[1].status is not WorkStatus.ACTIVE)
    shown = {item.token for _, item in waited_for_first[:CHILDREN_SHOWN_MAX]}
    items = [(one, item.token) for one, item in every if item.token in shown]
    if not items:
        return []
    found = ledger.approvals_by_reference(
        approval_requests.reference_of(token) for _, token in items
    )
    return [
        Requested(
            step_id=one,
            token=token,
            approval_id=row.pk,
            status=row.status,
            expires_at=row.expires_at,
        )
        for one, token in items
        if (row := found.get(approval_requests.reference_of(token))) is not None
    ]


def starter_of(recorded_id: str) -> Principal | None:
    """Return who started the flow that acts under this name; None if there is none."""
    row = _row_of(recorded_id)
    return Principal.parse(row.started_by) if row is not None and row.started_by else None


def acting_as(principal: Principal) -> Flow | None:
    """Return the flow that acts under this name; None if it is none."""
    if principal.kind is not PrincipalKind.WORKFLOW:
        return None
    row = _row_of(principal.id)
    return engine.flow(row.flow_id) if row is not None else None


def _row_of(recorded_id: str) -> FlowSummary | None:
    beginning = ids.beginning_of(recorded_id)
    named = {"flow_id": recorded_id} if beginning is None else {"flow_id__startswith": beginning}
    rows = FlowSummary.objects.filter(**named).only("flow_id", "started_by").iterator()
    return next((row for row in rows if ids.recorded_as(row.flow_id) == recorded_id), None)


def next_flow_id(goal: str) -> str:
    """Return an id for another flow with that goal: the goal and a number. It is not taken."""
    begins = f"{ids.sanitized(goal)[: ids.FLOW_ID_BYTES_MAX - _NUMBER_CHARS_MAX]}-"
    known = FlowSummary.objects.filter(flow_id__startswith=begins).count()
    ids_to_try = (f"{begins}{number}" for number in count(known + 1))
    return next(one for one in ids_to_try if not FlowSummary.objects.filter(flow_id=one).exists())


def cluster_document(cluster: Cluster, steps: Iterable[str] = ()) -> dict[str, Any]:
    """Return the ClusterState of the wire with our own node, also if it is silent.

    Of `steps`, those that a node did not report on are `unknown` there.
    """
    document = cluster_as_json(cluster)
    document["nodes"].setdefault(conf.current().node, {"last_seen": NEVER, "health": {}})
    for node in document["nodes"].values():
        for step_id in steps:
            node["health"].setdefault(step_id, {"status": "unknown"})
    return document


def argyll_events(stream: Stream) -> list[dict[str, Any]]:
    """Return the events of a stream as Argyll's clients read them: numbered from 0."""
    try:
        return [as_argyll(event) for event in log.stream_events(stream)]
    except (StreamMalformed, StreamTooLong):
        return []


def as_argyll(event: Envelope) -> dict[str, Any]:
    """Return one event in Argyll's shape."""
    assert event.sequence is not None, "what was read from the log has a sequence"
    return {
        "timestamp": written(event.emitted_at),
        "type": event.name,
        "aggregate_id": list(event.stream or ()),
        "data": event.data,
        "sequence": event.sequence - 1,
    }


def health_of(step_id: str) -> Health:
    """Return the health of a step: the worst that any node reports; of a flow step, derived.

    Always derived anew, so a goal that is down shows at once.
    """
    return health_of_all([step_id])[step_id]


def health_of_all(step_ids: Iterable[str]) -> dict[str, Health]:
    """Return the health of each of these steps, from one look at the catalog and the nodes."""
    look = _Look(engine.catalog(), engine.cluster())
    return {step_id: look.health(step_id, frozenset()) for step_id in step_ids}


class _Look:
    """What one look has derived so far: flow steps that share goals ask about them once."""

    def __init__(self, catalog: Catalog, cluster: Cluster) -> None:
        self.catalog = catalog
        self.cluster = cluster
        self._known: dict[str, Health] = {}

    def health(self, step_id: str, asking: frozenset[str]) -> Health:
        """Return the health of a step; `asking` are the flow steps on the way to it."""
        if step_id in asking:
            return Health(error=f"flow health cycle at step {step_id}")
        if step_id not in self._known:
            self._known[step_id] = self._derived(step_id, asking)
        return self._known[step_id]

    def _derived(self, step_id: str, asking: frozenset[str]) -> Health:
        step = self.catalog.steps.get(step_id)
        if step is None:
            return Health(error=f"step not found: {step_id}")
        if step.flow_goals is None:
            return self.cluster.merged(step_id)
        try:
            # What a flow step among them needs is asked of that step.
            plan = make_plan(
                self.catalog, step.flow_goals, {}, matches=InPlace().matches, with_children=False
            )
        except DomainError as error:
            return Health(error=f"flow preview failed for {step_id}: {error}")
        return _worst([(one, self.health(one, asking | {step_id})) for one in plan.steps])


def _worst(found: list[tuple[str, Health]]) -> Health:
    """Return what steps say of the flow step that needs them: unknown alone says nothing."""
    for status in (HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN):
        for step_id, health in found:
            if health.status == status and (health.error or status == HealthStatus.UNHEALTHY):
                reason = f": {health.error}" if health.error else " unhealthy"
                return Health(status=status, error=f"step {step_id}{reason}")
    return Health(status=HealthStatus.HEALTHY)

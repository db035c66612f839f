"""The HTTP API of Argyll, for its clients: its resources.

`protocol` has what all of their answers have in common.
"""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from workflows.flows import selectors, services
from workflows.flows.api import bodies, readable
from workflows.flows.api.protocol import answer, demands, error, methods
from workflows.flows.argyll import listing
from workflows.flows.argyll.listing import RECENT_ASC, RECENT_DESC, Query
from workflows.flows.domain import ids, shapes
from workflows.flows.domain.catalog import catalog_as_json
from workflows.flows.domain.errors import FlowUnknown, StepUnknown
from workflows.flows.domain.step import Step
from workflows.flows.domain.step_json import STEP_SHAPE, beyond_argyll_unnamed, step_from_json
from workflows.flows.domain.times import written
from workflows.flows.domain.view import flow_as_json
from workflows.flows.execution import engine

# --- health, state ------------------------------------------------------------------------


@demands("step.read")
def _whole_engine(_request: HttpRequest) -> HttpResponse:
    catalog, cluster = engine.catalog(), engine.cluster()
    times = [at for at in (catalog.last_updated, cluster.last_updated) if at is not None]
    nodes = selectors.cluster_document(cluster, list(catalog.steps))["nodes"]
    return answer(
        {
            "attributes": catalog.graph(),
            "health": nodes,
            "last_updated": written(max(times, default=None)),
            "steps": {step_id: step.as_json() for step_id, step in catalog.steps.items()},
        }
    )


@demands("step.read")
def _catalog(_request: HttpRequest) -> HttpResponse:
    return answer(catalog_as_json(engine.catalog()))


@demands("step.read")
def _cluster(_request: HttpRequest) -> HttpResponse:
    return answer(selectors.cluster_document(engine.cluster()))


@demands("step.read")
def _catalog_events(_request: HttpRequest) -> HttpResponse:
    return _events(("catalog",))


@demands("step.read")
def _cluster_events(_request: HttpRequest) -> HttpResponse:
    return _events(("cluster",))


def _events(stream: tuple[str, ...]) -> HttpResponse:
    events = selectors.argyll_events(stream)
    return answer({"count": len(events), "events": events})


@demands("step.read")
def _health(_request: HttpRequest) -> HttpResponse:
    return answer(selectors.cluster_document(engine.cluster(), list(engine.catalog().steps)))


@demands("step.read")
def _step_health(_request: HttpRequest, step_id: str) -> HttpResponse:
    if step_id not in engine.catalog().steps:
        return error(f"Health not found for step: {step_id}", HTTPStatus.NOT_FOUND)
    return answer(selectors.health_of(step_id).as_json())


# --- steps --------------------------------------------------------------------------------


@demands("step.read")
def _list_steps(_request: HttpRequest) -> HttpResponse:
    steps = [readable.listed(step.as_json()) for step in engine.catalog().steps.values()]
    return answer({"steps": steps, "count": len(steps)})


@demands("step.manage")
def _register_step(request: HttpRequest) -> HttpResponse:
    step = _step_of(bodies.read(request, STEP_SHAPE, bytes_max=bodies.STEP_BYTES_MAX))
    services.register_step(step=step)
    return answer({"step": step.as_json(), "message": "Step registered"}, HTTPStatus.CREATED)


@demands("step.read")
def _get_step(_request: HttpRequest, step_id: str) -> HttpResponse:
    step = engine.catalog().steps.get(step_id)
    if step is None:
        raise StepUnknown(step_id)
    return answer(step.as_json())


@demands("step.manage")
def _update_step(request: HttpRequest, step_id: str) -> HttpResponse:
    document = bodies.read(request, STEP_SHAPE, bytes_max=bodies.STEP_BYTES_MAX)
    step = _step_of(document)
    if step.id != ids.sanitized(step_id):
        return error("Step ID in URL does not match step ID in body", HTTPStatus.BAD_REQUEST)
    services.update_step_in_part(step=step, keeping=beyond_argyll_unnamed(document))
    return answer({"step": step.as_json(), "message": "Step updated"})


@demands("step.manage")
def _unregister_step(_request: HttpRequest, step_id: str) -> HttpResponse:
    services.unregister_step(step_id=step_id)
    return answer({"message": "Step unregistered"})


def _step_of(document: Any) -> Step:
    sent = step_from_json(document)
    return step_from_json({**(document or {}), "id": ids.sanitized(sent.id)})


# --- plans and flows ----------------------------------------------------------------------


@demands("step.read")
def _plan(request: HttpRequest) -> HttpResponse:
    body = shapes.check(bodies.read(request, bodies.PLAN), bodies.PLAN)
    if not body.get("goals"):
        return error("At least one goal step ID is required", HTTPStatus.BAD_REQUEST)
    plan = services.preview_plan(goals=body["goals"], init=body.get("init") or {})
    return answer(plan.as_json())


@demands("flow.start")
def _start_flow(request: HttpRequest) -> HttpResponse:
    body = shapes.check(bodies.read(request, bodies.FLOW), bodies.FLOW)
    flow = services.start_flow(
        flow_id=ids.sanitized(body.get("id") or ""),
        goals=body.get("goals") or (),
        init={name: values or [] for name, values in (body.get("init") or {}).items()},
        labels=body.get("labels") or {},
        options={"compensate": True} if body.get("compensate") else {},
    )
    return answer({"message": "", "flow_id": flow.id}, HTTPStatus.CREATED)


@demands("flow.read")
def _list_flows(_request: HttpRequest) -> HttpResponse:
    return answer([listing.item(flow) for flow in listing.find(Query(sort=RECENT_DESC)).flows])


@demands("flow.read")
def _query_flows(request: HttpRequest) -> HttpResponse:
    body = shapes.check(bodies.read(request, bodies.QUERY), bodies.QUERY)
    page = listing.find(
        Query(
            id_prefix=body.get("id_prefix") or "",
            labels=body.get("labels") or {},
            statuses=body.get("statuses") or (),
            limit=int(body.get("limit") or 0),
            cursor=body.get("cursor") or "",
            sort=body.get("sort") or RECENT_ASC,
        )
    )
    return answer(
        {
            "flows": [listing.item(flow) for flow in page.flows],
            "count": len(page.flows),
            **({"total": page.total} if page.total else {}),
            **({"has_more": True, "next_cursor": page.next_cursor} if page.next_cursor else {}),
        }
    )


@demands("flow.read")
def _get_flow(_request: HttpRequest, flow_id: str = "query") -> HttpResponse:
    flow = engine.flow(flow_id)
    if flow is None:
        raise FlowUnknown(flow_id)
    return answer(flow_as_json(flow))


@demands("flow.read")
def _flow_status(_request: HttpRequest, flow_id: str) -> HttpResponse:
    status = selectors.status_of(flow_id)
    if status is None:
        raise FlowUnknown(flow_id)
    return answer({"id": flow_id, "status": status})


@demands("flow.read")
def _flow_events(_request: HttpRequest, flow_id: str) -> HttpResponse:
    events = selectors.argyll_events(("flow", flow_id))
    if not events:
        raise FlowUnknown(flow_id)
    return answer({"count": len(events), "events": events})


whole_engine = methods(GET=_whole_engine)
catalog = methods(GET=_catalog)
catalog_events = methods(GET=_catalog_events)
cluster = methods(GET=_cluster)
cluster_events = methods(GET=_cluster_events)
health = methods(GET=_health)
step_health = methods(GET=_step_health)
steps = methods(GET=_list_steps, POST=_register_step)
step = methods(GET=_get_step, PUT=_update_step, DELETE=_unregister_step)
plan = methods(POST=_plan)
flows = methods(GET=_list_flows, POST=_start_flow)
query = methods(GET=_get_flow, POST=_query_flows)  # A flow may be called "query" too.
flow = methods(GET=_get_flow)
flow_status = methods(GET=_flow_status)
flow_events = methods(GET=_flow_events)

"""The three aggregates of flows, registered with the executor: flow, catalog, cluster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from events import wire
from events.domain.aggregate import Aggregate, Projection
from events.domain.envelope import Stream
from events.domain.principal import Principal
from events.sourcing import executor
from workflows.flows.domain import catalog as catalogs
from workflows.flows.domain import cluster as clusters
from workflows.flows.domain import codec, snapshot
from workflows.flows.domain.catalog import Catalog, CatalogCommand, CatalogEvent
from workflows.flows.domain.cluster import Cluster, ReportHealth, StepHealthChanged
from workflows.flows.domain.commands import FlowCommand
from workflows.flows.domain.decide import decide
from workflows.flows.domain.evolution import evolve
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.flow_events import FlowEvent
from workflows.flows.domain.world import World
from workflows.flows.models import FlowSummary

CATALOG_STREAM: Stream = ("catalog",)
CLUSTER_STREAM: Stream = ("cluster",)

_UNDATED = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command to a flow, with the answers of the world that deciding may need."""

    command: FlowCommand
    world: World


def stream_of(flow_id: str) -> Stream:
    return ("flow", flow_id)


def _decide(flow: Flow, request: Request) -> Sequence[FlowEvent]:
    return decide(flow, request.command, request.world)


def _evolve(flow: Flow, event: FlowEvent | None) -> Flow:
    # The older log has events that say nothing about a flow's state.
    return flow if event is None else evolve(flow, event)


def _encode(event: FlowEvent | None, stream: Stream) -> tuple[str, dict[str, Any]]:
    assert event is not None, "what says nothing is never raised"
    return codec.encode(stream[1], event)


def _dated(event: FlowEvent | None, at: datetime) -> FlowEvent | None:
    return None if event is None else replace(event, at=at)


def _project(projection: Projection[Flow]) -> None:
    if is_listed_anew(projection.before, projection.after):
        wire.run(LIST, list_row(projection.after, starter=projection.envelopes[0].principal))


def is_listed_anew(before: Flow, after: Flow) -> bool:
    """Return whether the row of a flow is new or has changed."""
    if before.is_known_plain and after.is_known_plain:
        return False  # Of what the row shows a plain decision changes the end alone.
    # `created_at` is there from the first event on.
    return after.created_at is not None and _shown(before) != _shown(after)


def list_row(flow: Flow, *, starter: Principal) -> dict[str, Any]:
    """Return the parameters of `LIST` for the row of a flow.

    `starter` is who acts; of a row that is there already, it is left as it is.
    """
    row = _row(flow)
    # JSON goes as text: the statement says what it is.
    plain = {name: value for name, value in row.items() if name not in _JSON}
    written = {name: orjson.dumps(row[name]).decode() for name in _JSON}
    values = {"started_by": str(starter), **plain, **written}
    return {f"list_{name}": value for name, value in values.items()}


def _shown(flow: Flow) -> tuple[Any, ...]:
    """Return those members of the row that can change; the others come with the start."""
    return (
        flow.status,
        flow.deactivated_at,
        flow.error,
        flow.is_paused,
        flow.is_undone,
        flow.is_partly_undone,
        flow.created_at,
    )


def _row(flow: Flow) -> dict[str, Any]:
    is_over = flow.deactivated_at is not None
    return {
        "flow_id": flow.id,
        "status": flow.status.value if is_over else "active",
        "status_at": flow.deactivated_at or flow.created_at,
        "outcome": flow.status.value,
        "error": flow.error,
        "goals": list(flow.plan.goals),
        "labels": dict(flow.labels),
        "parent_flow_id": flow.metadata.get("parent_flow_id", ""),
        "forked_from": flow.options.get("forked_from", ""),
        "concurrency_key": flow.options.get("concurrency_key", ""),
        "is_paused": flow.is_paused,
        "is_undone": flow.is_undone,
        "is_partly_undone": flow.is_partly_undone,
        "started_at": flow.created_at,
    }


_JSON = ("goals", "labels")
_ONCE = ("flow_id", "started_by")
_COLUMNS = tuple(one.name for one in FlowSummary._meta.local_concrete_fields)  # noqa: SLF001 (public in all but name)

_INSERT = f"INSERT INTO flows_flowsummary ({', '.join(_COLUMNS)})"
_OR_UPDATE = "ON CONFLICT (flow_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS if name not in _ONCE
)

LIST = (
    f"{_INSERT} VALUES "
    f"({', '.join(f'%(list_{name})s' + '::jsonb' * (name in _JSON) for name in _COLUMNS)}) "
    f"{_OR_UPDATE}"
)
"""Writes the row of the list. Its parameters are those of `list_row`."""

LIST_MANY = (
    f"{_INSERT} SELECT {', '.join(f'new.{name}' for name in _COLUMNS)} "  # noqa: S608 (ours too)
    f"FROM json_populate_recordset(NULL::flows_flowsummary, %(listed)s::json) AS new {_OR_UPDATE}"
)
"""Writes several rows of the list."""


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `list_row` as `LIST_MANY` takes them."""
    return {
        name: orjson.Fragment(value) if name in _JSON else value
        for name in _COLUMNS
        for value in [row[f"list_{name}"]]
    }


def _rows(stream: Stream) -> list[dict[str, Any]]:
    return [dict(row) for row in FlowSummary.objects.filter(flow_id=stream[1]).values()]


def _listed() -> Iterator[Stream]:
    return map(stream_of, FlowSummary.objects.values_list("flow_id", flat=True).iterator())


def _clear(stream: Stream) -> None:
    FlowSummary.objects.filter(flow_id=stream[1]).delete()


FLOWS: Aggregate[Flow, Request, FlowEvent | None] = executor.register(
    Aggregate(
        kind="flow",
        initial=lambda stream: snapshot.not_started(stream[1]),
        decide=_decide,
        evolve=_evolve,
        encode=_encode,
        decode=lambda name, _version, data: codec.decode(name, data, _UNDATED),
        dump=snapshot.dump,
        load=snapshot.load,
        project=_project,
        rows=_rows,
        clear=_clear,
        listed=_listed,
        dated=_dated,
        is_typed=True,
        weigh=lambda flow: sum(len(one.order) for one in flow.executions.values()),
    )
)

CATALOG: Aggregate[Catalog, CatalogCommand, CatalogEvent] = executor.register(
    Aggregate(
        kind="catalog",
        initial=lambda _stream: Catalog(),
        decide=catalogs.decide,
        evolve=catalogs.evolve,
        encode=lambda event, _stream: catalogs.encode(event),
        decode=lambda name, _version, data: catalogs.decode(name, data, _UNDATED),
        dump=catalogs.dump,
        load=catalogs.load,
        dated=lambda event, at: replace(event, at=at),
    )
)

CLUSTER: Aggregate[Cluster, ReportHealth, StepHealthChanged] = executor.register(
    Aggregate(
        kind="cluster",
        initial=lambda _stream: Cluster(),
        decide=clusters.decide,
        evolve=clusters.evolve,
        encode=lambda event, _stream: clusters.encode(event),
        decode=lambda _name, _version, data: clusters.decode(data, _UNDATED),
        dump=clusters.cluster_as_json,
        load=clusters.cluster_from_json,
        dated=lambda event, at: replace(event, at=at),
    )
)

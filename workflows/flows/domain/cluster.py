"""The cluster: which steps can run where, by the last known health per node.

An aggregate of its own, stream `["cluster"]`. Only a change is an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from workflows.flows.domain.times import read, written


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


_RANK = {HealthStatus.HEALTHY: 0, HealthStatus.UNKNOWN: 1, HealthStatus.UNHEALTHY: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    status: HealthStatus = HealthStatus.UNKNOWN
    error: str = ""

    def as_json(self) -> dict[str, str]:
        return {"status": self.status.value, **({"error": self.error} if self.error else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHealth:
    node_id: str
    step_id: str
    health: Health
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepHealthChanged:
    node_id: str
    step_id: str
    health: Health
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    last_seen: datetime | None = None
    health: Mapping[str, Health] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    nodes: Mapping[str, Node] = field(default_factory=dict)
    last_updated: datetime | None = None

    def on(self, node_id: str, step_id: str) -> Health:
        """Return what is known of a step on one node."""
        node = self.nodes.get(node_id)
        return (node.health.get(step_id) if node else None) or _NOT_KNOWN

    def unhealthy_on(self, node_id: str) -> list[str]:
        """Return the steps that one node may not run."""
        node = self.nodes.get(node_id, Node())
        return [
            step_id
            for step_id, health in node.health.items()
            if health.status is HealthStatus.UNHEALTHY
        ]

    def merged(self, step_id: str) -> Health:
        """Return the worst that any node reports, with the node's name in the error."""
        worst = Health()
        found = [
            (node_id, node.health[step_id])
            for node_id, node in sorted(self.nodes.items())
            if step_id in node.health
        ]
        if not found:
            return worst
        node_id, worst = max(found, key=lambda pair: (_RANK[pair[1].status], bool(pair[1].error)))
        if worst.error:
            return replace(worst, error=f"node {node_id}: {worst.error}")
        return worst


_NOT_KNOWN = Health()


def decide(cluster: Cluster, command: ReportHealth) -> list[StepHealthChanged]:
    """Return the health change as an event; none if nothing changed."""
    node = cluster.nodes.get(command.node_id, Node())
    if node.health.get(command.step_id) == command.health:
        return []
    return [
        StepHealthChanged(
            node_id=command.node_id, step_id=command.step_id, health=command.health, at=command.at
        )
    ]


def evolve(cluster: Cluster, event: StepHealthChanged) -> Cluster:
    """Return `cluster` as it is after `event`."""
    known = cluster.nodes.get(event.node_id, Node())
    node = Node(last_seen=event.at, health={**known.health, event.step_id: event.health})
    return Cluster(nodes={**cluster.nodes, event.node_id: node}, last_updated=event.at)


def encode(event: StepHealthChanged) -> tuple[str, dict[str, Any]]:
    """Return the stored name and data of an event."""
    data = {"node_id": event.node_id, "step_id": event.step_id, **event.health.as_json()}
    return "step_health_changed", data


def decode(data: Mapping[str, Any], at: datetime) -> StepHealthChanged:
    """Return the event that was stored."""
    health = Health(status=HealthStatus(data["status"]), error=data.get("error") or "")
    return StepHealthChanged(node_id=data["node_id"], step_id=data["step_id"], health=health, at=at)


def cluster_as_json(cluster: Cluster) -> dict[str, Any]:
    """Return the ClusterState of the wire."""
    return {
        "last_updated": written(cluster.last_updated),
        "nodes": {
            node_id: {
                "last_seen": written(node.last_seen),
                "health": {step: health.as_json() for step, health in node.health.items()},
            }
            for node_id, node in cluster.nodes.items()
        },
    }


def cluster_from_json(document: Mapping[str, Any]) -> Cluster:
    """Return the cluster that `cluster_as_json` wrote."""
    return Cluster(
        nodes={
            node_id: Node(
                last_seen=read(node["last_seen"]),
                health={
                    step: Health(
                        status=HealthStatus(health["status"]), error=health.get("error") or ""
                    )
                    for step, health in node["health"].items()
                },
            )
            for node_id, node in document["nodes"].items()
        },
        last_updated=read(document["last_updated"]),
    )

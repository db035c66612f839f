"""What several nodes say of a step, and what counts as a change (Argyll spec §7.4)."""

from datetime import UTC, datetime

import pytest

from workflows.flows.domain.cluster import (
    Cluster,
    Health,
    HealthStatus,
    Node,
    ReportHealth,
    decide,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEALTHY, UNKNOWN, DOWN = HealthStatus.HEALTHY, HealthStatus.UNKNOWN, HealthStatus.UNHEALTHY


def detail_of(**nodes: Health) -> Cluster:
    return Cluster(nodes={name: Node(health={"step": health}) for name, health in nodes.items()})


@pytest.mark.parametrize(
    ("nodes", "merged"),
    [
        ({}, Health()),
        ({"a": Health(status=HEALTHY)}, Health(status=HEALTHY)),
        ({"a": Health(status=HEALTHY), "b": Health()}, Health(status=UNKNOWN)),
        (
            {"a": Health(error="odd"), "b": Health(status=DOWN, error="HTTP 500")},
            Health(status=DOWN, error="node b: HTTP 500"),
        ),
        (
            {"b": Health(status=DOWN, error="late"), "a": Health(status=DOWN, error="gone")},
            Health(status=DOWN, error="node a: gone"),
        ),
        (
            {"a": Health(status=DOWN), "b": Health(status=DOWN, error="gone")},
            Health(status=DOWN, error="node b: gone"),
        ),
    ],
)
def test_the_worst_counts_and_says_which_node_it_is_of(
    nodes: dict[str, Health], merged: Health
) -> None:
    assert detail_of(**nodes).merged("step") == merged


def test_a_step_that_no_node_reports_on_is_unknown() -> None:
    assert detail_of(a=Health(status=DOWN, error="gone")).merged("other") == Health()


def test_only_another_status_or_another_error_of_the_same_node_is_a_change() -> None:
    known = detail_of(a=Health(status=DOWN, error="HTTP 500"))

    def changes(node_id: str, status: HealthStatus, error: str = "") -> int:
        health = Health(status=status, error=error)
        command = ReportHealth(node_id=node_id, step_id="step", health=health, at=NOON)
        return len(decide(known, command))

    assert changes("a", DOWN, "HTTP 500") == 0
    assert changes("a", DOWN, "HTTP 503") == 1
    assert changes("a", HEALTHY) == 1
    assert changes("b", DOWN, "HTTP 500") == 1

"""What the page of a flow says of its times."""

from datetime import UTC, datetime, timedelta

from console.flows.page import settled_after
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.plan import Plan

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_flow_has_taken_as_long_as_to_its_outcome_whenever_it_ends() -> None:
    flow = Flow(
        id="trip",
        plan=Plan(goals=("pay",), steps={}, attributes={}),
        created_at=START,
        completed_at=START + timedelta(seconds=1),
        deactivated_at=START + timedelta(hours=5),
    )

    assert settled_after(flow) == timedelta(seconds=1)

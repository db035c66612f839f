"""What the doctor finds out about flows: each check is quiet on health, and names what is wrong."""

from typing import Any

import pytest
from django.db import connection, transaction

from events import doctor, recorder
from tests.integration.workflows.flows.conftest import flow, work_off
from workflows.flows import invariants, services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import AwaitedEvent, FlowSummary
from workflows.flows.steps import feed_cursor
from workflows.flows.triggers import starts

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "6f3b0a0e-0000-4000-8000-000000000000"


def violations(id_: str) -> tuple[str, ...]:
    [found] = [doctor.examine(one) for one in doctor.checks() if one.id == id_]
    return found.violations


@pytest.fixture(autouse=True)
def _two_flows() -> None:
    """One that is over, one that waits."""
    for document in (
        {"id": "add", "name": "Add", "type": "script",
         "script": {"language": "ale", "script": "{:sum 1}"}},
        {"id": "wait", "name": "Wait", "type": "wait", "wait": {"event": "booking.completed"}},
    ):  # fmt: skip
        services.register_step(step=step_from_json(document))
    services.start_flow(flow_id="over", goals=["add"], init={})
    services.start_flow(flow_id="waits", goals=["wait"], init={})
    work_off()


def happen(name: str, flow_id: str = "over", **data: Any) -> None:
    """Write into the log of a flow what its rules would never say."""
    with transaction.atomic():
        recorder.emit(name, {"flow_id": flow_id, **data}, stream=("flow", flow_id))


def test_all_is_quiet_on_health() -> None:
    of_flows = {one.id for one in doctor.checks() if one.inspect.__module__ == invariants.__name__}

    assert len(of_flows) == 13
    assert {id_: violations(id_) for id_ in of_flows} == dict.fromkeys(of_flows, ())


def test_a_flow_that_is_not_listed() -> None:
    FlowSummary.objects.filter(flow_id="over").delete()
    assert violations("I1-flows") == ("flow/over/ was started and is not in the list",)


def test_what_starts_after_the_outcome() -> None:
    happen("work_started", step_id="add", token=TOKEN, inputs={})
    assert "work_started" in violations("I5-outcome")[0]
    assert "work_started" in violations("I5")[0]
    assert violations("I5-done") == (f"flow/over/: {TOKEN} is open after flow_deactivated",)
    assert violations("I7-flows") == (f"flow/over/: {TOKEN} of step add is not of its step",)


def test_a_child_flow_that_outlives_its_parent() -> None:
    FlowSummary.objects.filter(flow_id="waits").update(parent_flow_id="over")
    assert violations("I5-children") == ("over is over, and its child flow waits is not",)


def test_what_is_not_undone() -> None:
    happen("comp_started", step_id="add", token=flow("over").executions["add"].order[0])
    assert "is open after flow_deactivated" in violations("I5-done")[0]


def test_a_second_result_of_one_item() -> None:
    token = flow("over").executions["add"].order[0]
    happen("work_failed", step_id="add", token=token, error="late")
    assert violations("I6-flows") == (f"flow/over/: {token} has 2 final results",)


def test_a_cursor_beyond_the_feed() -> None:
    with transaction.atomic():
        feed_cursor.lock_exclusive()
        feed_cursor.move_to(10**9)
    assert "the cursor is at 1000000000" in violations("I10-flows")[0]


def test_a_flow_that_nothing_would_wake() -> None:
    AwaitedEvent.objects.all().delete()
    assert violations("I11-flows") == ("flow waits is active and nothing would wake it",)


def test_a_step_that_waits_for_a_flow_that_is_over() -> None:
    AwaitedEvent.objects.update(flow_id="over")
    assert "is over, and its step wait waits" in violations("I11-waits")[0]


def test_a_cron_start_without_a_schedule() -> None:
    starts.declare_start(name="nightly", goals=["add"], cron="0 3 * * *")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE work_schedule SET enabled = false")
    assert violations("I11-starts") == ("the start nightly has no schedule that fires",)

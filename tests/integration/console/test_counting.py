"""Counts by status are right up to their bound, and read no more rows than that."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Booking, Invoice
from commerce.models.numbers import ends_in
from console import counting
from tests.integration.config.test_bounded_lists import plan_of
from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db


@pytest.fixture
def some_flows() -> None:
    """Five completed flows, two failed ones, and an active child of another."""
    for place, (status, parent) in enumerate(
        [*[("completed", "")] * 5, *[("failed", "")] * 2, ("active", "f0")]
    ):
        FlowSummary.objects.create(
            flow_id=f"f{place}",
            parent_flow_id=parent,
            status=status,
            outcome=status,
            goals=["ship"],
            started_at="2026-01-01T00:00Z",
            status_at="2026-01-01T00:00Z",
        )


def test_counts_stop_just_above_the_bound(
    some_flows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "COUNTED_MAX", 3)
    roots = FlowSummary.objects.filter(parent_flow_id="")

    with CaptureQueriesContext(
        connection,
    ) as asked:
        counts = counting.by_status(roots, FlowStatus)

    assert counts == {"active": 0, "completed": 4, "failed": 2}
    assert [counting.shown(count) for count in counts.values()] == ["0", "3+", "2"]
    assert len(asked) == 1


def test_of_nothing_are_none() -> None:
    assert counting.by_status(Booking.objects.all(), ["draft"]) == {"draft": 0}


def test_of_what_nobody_may_see_are_none(some_flows: None) -> None:
    assert counting.by_status(FlowSummary.objects.none(), ["failed"]) == {"failed": 0}


@pytest.mark.parametrize("model", [Booking, Invoice])
def test_trade_is_found_by_status(model: type[Booking | Invoice]) -> None:
    index = f"commerce_{model._meta.model_name}s_by_status"

    plan = plan_of(model.objects.filter(status="draft").order_by("-id")[:51], index)

    assert index in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("model", [Booking, Invoice])
def test_trade_is_found_by_the_end_of_its_number(model: type[Booking | Invoice]) -> None:
    index = f"commerce_{model._meta.model_name}s_by_ending"

    plan = plan_of(model.objects.filter(ends_in("number", "0_7%a")).order_by("-id")[:51], index)

    assert index in plan
    assert "'A%7_0'" in plan
    assert "Seq Scan" not in plan


def test_tabs_say_where_there_are_more(
    visitor: Visitor, some_flows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "COUNTED_MAX", 3)

    client = visitor("flow.read")

    tabs = re.findall(r'class="tab"[^>]*>(\w+) <b>([^<]+)</b>', page_of(client, "/flows"))
    assert tabs == [("active", "0"), ("completed", "3+"), ("failed", "2")]
    states = client.get("/figures").json()["states"]
    assert (states["flow.completed"], states["flow.failed"]) == ("3+", "2")

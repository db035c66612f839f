"""What migrations make of flows that an earlier revision has left."""

from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db


def test_flows_that_ended_during_a_pause_are_not_listed_as_paused() -> None:
    now = timezone.now()
    for outcome in ("active", "completed", "failed"):
        FlowSummary.objects.create(
            flow_id=outcome,
            status="active",
            status_at=now,
            started_at=now,
            outcome=outcome,
            is_paused=True,
        )

    import_module("workflows.flows.migrations.0069_an_outcome_ends_a_pause").end_pauses(apps, None)

    assert [one.flow_id for one in FlowSummary.objects.filter(is_paused=True)] == ["active"]

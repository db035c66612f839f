"""Jobs that are parts of a flow: without one its flow would wait for ever."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from ledger.models import Entry
from tests.integration.workflows.flows.clients import FLOWS, STEPS, client_of, post
from tests.integration.workflows.flows.conftest import flow, later, work_off
from workflows.work import leases, queue
from workflows.work.domain import ends
from workflows.work.domain.retry import RetryPolicy
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

NAP = {"id": "nap", "name": "Nap", "type": "wait", "wait": {"for_ms": 3_600_000}}


@pytest.fixture
def operator() -> APIClient:
    rights = ("job.read", "job.cancel", "job.discard", "job.retry")
    return client_of("operator", "step.manage", "flow.start", *rights)


@pytest.fixture
def timer(operator: APIClient) -> Work:
    post(operator, STEPS, NAP)
    post(operator, FLOWS, {"id": "f1", "goals": ["nap"]})
    work_off()
    return Work.objects.get(kind="flow.waited")


def test_are_not_cancelled_and_do_their_part(operator: APIClient, timer: Work) -> None:
    answer = post(operator, f"/api/v1/jobs/{timer.pk}/cancel", {"reason": "in the way"})

    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "job_part_of_another")
    assert told["detail"] == "flow.waited is a part of a flow: flow/f1."
    assert not Entry.objects.filter(action_name="job.cancel").exists()
    later(seconds=3_601)
    work_off()
    assert flow("f1").is_over


def test_are_not_put_away_but_retried(operator: APIClient, timer: Work) -> None:
    later(seconds=3_601)
    [claim] = leases.claim_next(worker="w", kinds=["flow.waited"])
    spent = replace(claim.budget, failures=claim.budget.failures_max)
    leases.end(claim, ends.failed(spent, RetryPolicy(), failure=ends.NO_FAILURE, uniform=0.5))
    assert Work.objects.get(pk=timer.pk).status == "dead"

    with pytest.raises(queue.PartOfAnother), transaction.atomic():
        queue.discard(timer.pk, reason="in the way")

    assert post(operator, f"/api/v1/jobs/{timer.pk}/retry").status_code == 200
    work_off()
    assert flow("f1").is_over


def test_are_offered_to_be_neither(timer: Work) -> None:
    client = Client()
    client.force_login(User.objects.get(username="operator"))

    page = client.get(f"/jobs/{timer.pk}").content.decode()

    assert "flow/f1" in page
    assert f"/jobs/{timer.pk}/cancel" not in page

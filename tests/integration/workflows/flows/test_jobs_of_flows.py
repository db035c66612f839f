"""Jobs that are parts of a flow: without one its flow would wait for ever."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from events import doctor
from ledger.models import Entry
from tests.integration.workflows.flows.clients import FLOWS, STEPS, client_of, post
from tests.integration.workflows.flows.conftest import flow, later, work_off
from workflows.flows.explanations.why_waiting import waiting
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

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "job_part_of_another")
    assert problem["detail"] == "flow.waited is a part of a flow: flow/f1."
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


def abandoned(job: Work, how: str) -> None:
    """Leave a job as a release did that let people cancel and discard it."""
    Work.objects.filter(pk=job.pk).update(
        status=how, finished_at=timezone.now(), cancel_requested_at=None, reason="in the way"
    )
    if how == "cancelled":
        Work.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())


def doctor_says() -> tuple[str, ...]:
    [found] = [doctor.examine(one) for one in doctor.checks() if one.id == "I11-flows"]
    return found.violations


def test_that_were_cancelled_once_are_retried_in_their_time(
    operator: APIClient, timer: Work
) -> None:
    abandoned(timer, "cancelled")
    [violation] = doctor_says()
    assert violation == (
        "flow f1 is active and nothing would wake it; retry what was cancelled or discarded of "
        f"it: flow.waited {timer.pk}"
    )
    why = waiting(flow("f1"))
    assert why is not None
    assert why.sentence == (
        f"Step nap was given up: job {timer.pk} was cancelled, for somebody to retry."
    )

    answer = post(operator, f"/api/v1/jobs/{timer.pk}/retry", {"reason": "needed"})

    assert answer.status_code == 200
    now = Work.objects.get(pk=timer.pk)
    assert (now.status, now.due_at, now.cancel_requested_at) == ("scheduled", timer.due_at, None)
    assert doctor_says() == ()
    assert Entry.objects.filter(action_name="job.retry").count() == 1
    work_off()
    assert not flow("f1").is_over
    later(seconds=3_601)
    work_off()
    assert flow("f1").is_over


def test_that_were_discarded_once_are_retried_at_once(operator: APIClient, timer: Work) -> None:
    later(seconds=3_601)
    abandoned(timer, "discarded")
    client = Client()
    client.force_login(User.objects.get(username="operator"))
    assert f"/jobs/{timer.pk}/retry" in client.get(f"/jobs/{timer.pk}").content.decode()

    client.post(f"/jobs/{timer.pk}/retry", {"reason": "needed"})

    assert Work.objects.get(pk=timer.pk).status == "ready"
    work_off()
    assert flow("f1").is_over


@pytest.mark.parametrize("how", ["cancelled", "discarded"])
def test_of_nothing_else_stay_as_they_are(operator: APIClient, timer: Work, how: str) -> None:
    abandoned(timer, how)
    Work.objects.filter(pk=timer.pk).update(kind="reports.nightly")

    answer = post(operator, f"/api/v1/jobs/{timer.pk}/retry", {"reason": "needed"})

    assert (answer.status_code, answer.json()["code"]) == (422, "work_not_in_that_state")
    assert "retry is possible while dead or poisoned" in answer.json()["detail"]
    assert Work.objects.get(pk=timer.pk).status == how

"""Why an approval does not cover what is asked for under it, over HTTP: fifteen reasons, in order.

Each is made to apply together with all that come after it: it is told, put on record with the
approval, and nothing is done.
What our own services cannot bring about is written past them, as a restored dump could have it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from rest_framework.test import APIClient

from commerce.models import Booking, Invoice, Payment
from events import context
from ledger import capabilities
from ledger.approving import reference
from ledger.domain.capability import Risk
from ledger.models import Approval, Entry, IdempotencyKey
from ledger.services import approvals
from tests.integration.commerce.acting import CLERK
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.ledger.approvals import acting, put_into_force
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

MAY = ("payment.record", "booking.read", "booking.cancel", "invoice.read")
TERMS = {"name": "money-approval", "capabilities": ("payment.record",), "condition": "true"}


@dataclass
class Attempt:
    """A request under an approval that covers it, until something about it is made wrong."""

    client: APIClient
    rival: APIClient
    patch: pytest.MonkeyPatch
    approval_id: str
    key: str
    path: str
    body: dict[str, Any]
    elsewhere: str

    def send(self, under: str | None = None) -> Any:
        headers = {"Idempotency-Key": self.key}
        if under := self.approval_id if under is None else under:
            headers[reference.HEADER] = under
        return self.client.post(self.path, self.body, format="json", headers=headers)

    def rewrite(self, changes: str) -> None:
        """Change the approval past every rule of its table."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                f"UPDATE ledger_approval SET {changes} WHERE id = %s", [self.approval_id]
            )

    def declare(self, **facts: Any) -> None:
        """Declare the capability otherwise, as the next release could."""
        after = replace(capabilities.get("payment.record"), **facts)
        declared = {**capabilities._DECLARED, after.id: after}
        self.patch.setattr(capabilities, "_DECLARED", declared)


Wrong = Callable[[Attempt], None]


def refers_to_none(attempt: Attempt) -> None:
    attempt.approval_id = str(uuid4())


def is_denied(attempt: Attempt) -> None:
    attempt.rewrite("status = 'denied'")


def is_over(attempt: Attempt) -> None:
    day = "interval '1 day'"
    attempt.rewrite(f"requested_at = requested_at - {day}, expires_at = expires_at - {day}")


def is_of_another_action(attempt: Attempt) -> None:
    attempt.path, attempt.body = attempt.elsewhere, {"reason": "Storm warning"}


def covers_no_command(attempt: Attempt) -> None:
    attempt.rewrite("fingerprint = '', command_fingerprint = '', is_repeatable = false")


def asks_for_something_else(attempt: Attempt) -> None:
    attempt.body = {**attempt.body, "amount_cents": 101}


def is_of_somebody_else(attempt: Attempt) -> None:
    attempt.client = attempt.rival


def is_of_another_organization(attempt: Attempt) -> None:
    attempt.rewrite("organization_id = 'acme'")


def was_not_decided_by_whom_it_is_for(attempt: Attempt) -> None:
    duty = User.objects.create_user(f"duty-{uuid4().hex[:8]}")
    attempt.rewrite(f"assigned_to_id = {duty.pk}")


def takes_another_capability(attempt: Attempt) -> None:
    attempt.declare(version=2)


def is_riskier(attempt: Attempt) -> None:
    attempt.declare(risk=Risk.CRITICAL)


def falls_under_another_policy(attempt: Attempt) -> None:
    with context.acting(CLERK):
        put_into_force(**TERMS)


def is_needed_for_another_reason(attempt: Attempt) -> None:
    # A policy names the reason in its version, so only another release would name it otherwise.
    from ledger.approving import gate  # noqa: PLC0415

    bound = gate._bound

    def otherwise(*args: Any, **facts: Any) -> Any:
        return replace(bound(*args, **facts), reason_code="another")

    attempt.patch.setattr(gate, "_bound", otherwise)


def has_another_key(attempt: Attempt) -> None:
    attempt.key = uuid4().hex


def was_done(attempt: Attempt) -> None:
    done = attempt.send()
    assert done.status_code == 201, done.content
    # Just the same would be answered again with what it made: of it, too, a dump knows otherwise.
    attempt.rewrite("command_fingerprint = repeat('0', 64)")
    IdempotencyKey.objects.all().delete()


IN_ORDER: list[tuple[str, int, Wrong]] = [
    ("approval_not_found", 404, refers_to_none),
    ("approval_not_approved", 409, is_denied),
    ("approval_expired", 409, is_over),
    ("approval_mismatched_action", 409, is_of_another_action),
    ("approval_missing_fingerprint", 409, covers_no_command),
    ("approval_fingerprint_mismatch", 409, asks_for_something_else),
    ("approval_principal_mismatch", 403, is_of_somebody_else),
    ("approval_organization_mismatch", 403, is_of_another_organization),
    ("approval_assignee_mismatch", 403, was_not_decided_by_whom_it_is_for),
    ("approval_capability_mismatch", 409, takes_another_capability),
    ("approval_risk_mismatch", 409, is_riskier),
    ("approval_policy_mismatch", 409, falls_under_another_policy),
    ("approval_reason_mismatch", 409, is_needed_for_another_reason),
    ("approval_idempotency_key_mismatch", 409, has_another_key),
    ("approval_already_executed", 409, was_done),
]


@pytest.fixture
def attempt(
    keyed: Keyed, confirmed: Booking, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> Attempt:
    """What was asked for and agreed to: announce money on an invoice."""
    with context.acting(CLERK):
        put_into_force(**TERMS)
    made = Attempt(
        client=keyed(*MAY),
        rival=keyed(*MAY, "approval.read", name="rival"),
        patch=monkeypatch,
        approval_id="",
        key=uuid4().hex,
        path=f"/api/v1/invoices/{invoice.pk}/payments",
        body={"amount_cents": 100, "currency": "EUR", "method": "cash", "is_pending": True},
        elsewhere=f"/api/v1/bookings/{confirmed.pk}/cancel",
    )
    asked = made.send(under="")
    assert asked.status_code == 202, asked.content
    made.approval_id = asked.json()["approval"]["id"]
    manager = grant(User.objects.create_user("manager"), "approval.decide")
    with acting(manager) as caller:
        approvals.decide_approval(
            approval_id=UUID(made.approval_id), decision="approve", decider=caller, is_fresh=True
        )
    return made


def test_without_any_of_them_it_is_done(attempt: Attempt) -> None:
    done = attempt.send()

    assert done.status_code == 201, done.content
    assert Payment.objects.get().status == "pending"


@pytest.mark.parametrize("number", range(15), ids=[code for code, _, _ in IN_ORDER])
def test_of_all_that_apply_the_first_is_told(attempt: Attempt, number: int) -> None:
    code, status, _ = IN_ORDER[number]
    # The last one first: it was done before anything else about it was wrong.
    for _, _, wrong in reversed(IN_ORDER[number:]):
        wrong(attempt)
    before = Payment.objects.count()

    answer = attempt.send()

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["facts"]["approval_id"] == attempt.approval_id
    # It is grave, so that it was tried is on record, with the approval if there is such a one.
    refused = Entry.objects.get(status="denied")
    assert refused.mutation.summary == f"Refused: {code}"
    is_there = code != "approval_not_found"
    assert str(refused.approval_id) == (attempt.approval_id if is_there else "None")
    assert Payment.objects.count() == before
    assert Booking.objects.get().status == "confirmed"
    assert Approval.objects.count() == 1

"""A costly change over HTTP: 202, somebody else decides, then it is done once."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from commerce.models import Booking, Invoice
from events import context
from events.domain.principal import SYSTEM
from ledger.approving import reference
from ledger.models import Approval, Entry
from ledger.services import approvals
from ledger.services.approval_policies import install_policies
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.ledger.approvals import acting, put_into_force
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

WHY = {"reason": "the customer fell ill"}


@pytest.fixture(autouse=True)
def _much_was_paid(confirmed: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    from commerce.approval_policies import POLICIES  # noqa: PLC0415

    with context.acting(SYSTEM):
        install_policies(every=POLICIES)
    monkeypatch.setattr("commerce.selectors.paid_on_booking_cents", lambda _id: 2_000_000)


@pytest.fixture
def agent(keyed: Keyed) -> APIClient:
    return keyed("booking.read", "booking.cancel")


def cancel(client: APIClient, booking: Booking, *, key: str | None = "k1", **more: Any) -> Any:
    """Ask to cancel; `under` names an approval."""
    headers = {"Idempotency-Key": key} if key else {}
    if under := more.pop("under", ""):
        headers[reference.HEADER] = under
    body = {**WHY, **more}
    return client.post(
        f"/api/v1/bookings/{booking.pk}/cancel", body, format="json", headers=headers
    )


def decide(approval_id: str, decision: str = "approve") -> None:
    manager = grant(User.objects.create_user("manager"), "approval.decide")
    with acting(manager) as caller:
        approvals.decide_approval(
            approval_id=UUID(approval_id), decision=decision, decider=caller, is_fresh=True
        )


def test_is_answered_with_the_approval_that_it_needs(agent: APIClient, confirmed: Booking) -> None:
    answer = cancel(agent, confirmed)

    assert answer.status_code == 202, answer.json()
    body = answer.json()
    assert body["approval_required"] is True
    assert body["requested_action"]["status"] == "awaiting_approval"
    assert body["approval"]["status"] == "pending"
    assert body["replayed"] is False
    assert answer["Location"] == f"/api/v1/ledger/approvals/{body['approval']['id']}"
    confirmed.refresh_from_db()
    assert confirmed.status == "confirmed"


def test_asks_once_under_one_key(agent: APIClient, confirmed: Booking) -> None:
    first = cancel(agent, confirmed).json()

    again = cancel(agent, confirmed)

    assert again.status_code == 202
    assert again.json()["replayed"] is True
    assert again.json()["approval"]["id"] == first["approval"]["id"]
    other = cancel(agent, confirmed, reason="another")
    assert (other.status_code, other.json()["code"]) == (409, "action_key_reused")


def _end(agent: APIClient, booking: Booking, approval_id: str, end: str) -> int:
    """Have an approval end, or return in how many days it does."""
    match end:
        case "denied":
            decide(approval_id, "deny")
        case "cancelled":
            agent.post(f"/api/v1/ledger/approvals/{approval_id}/cancel")
        case "superseded":
            cancel(agent, booking, key="k2", reason="another")
        case "used too late":
            decide(approval_id)
    return 30 if end in {"expired", "used too late"} else 0


@pytest.mark.parametrize("end", ["denied", "cancelled", "superseded", "expired", "used too late"])
def test_is_not_to_be_waited_for_when_it_is_over(
    agent: APIClient, confirmed: Booking, end: str
) -> None:
    asked = cancel(agent, confirmed).json()["approval"]
    days = _end(agent, confirmed, asked["id"], end)

    with time_machine.travel(timezone.now() + timedelta(days=days), tick=False):
        plain, again = cancel(agent, confirmed), cancel(agent, confirmed)
        under = cancel(agent, confirmed, under=asked["id"])
        anew = cancel(agent, confirmed, key="k3", reason="once more")

    code = "approval_expired" if end == "used too late" else "approval_not_approved"
    assert [(each.status_code, each.json()["code"]) for each in (plain, again, under)] == [
        (409, code)
    ] * 3
    assert plain.json()["detail"] == under.json()["detail"]
    assert "under a new key" in plain.json()["hint"]
    refused = Entry.objects.filter(approval_id=asked["id"], action_name="booking.cancel")
    # Whoever repeats it says nothing new.
    assert refused.get(status="denied").mutation.summary == f"Refused: {code}"
    assert anew.status_code == 202
    confirmed.refresh_from_db()
    assert confirmed.status == "confirmed"


def test_names_the_key_that_it_is_good_for_to_who_has_lost_it(
    agent: APIClient, confirmed: Booking
) -> None:
    decide(cancel(agent, confirmed, key="first").json()["approval"]["id"])
    found = cancel(agent, confirmed, key="another").json()["approval"]

    other = cancel(agent, confirmed, key="another", under=found["id"])
    done = cancel(agent, confirmed, key=found["idempotency_key"], under=found["id"])

    assert (found["status"], found["idempotency_key"]) == ("approved", "first")
    assert other.json()["code"] == "approval_idempotency_key_mismatch"
    assert (done.status_code, done.json()["status"]) == (200, "cancelled")


def test_is_shown_also_when_its_target_is_gone(
    keyed: Keyed, draft: Invoice, client: Client
) -> None:
    put_into_force(name="issuing", capabilities=("invoice.issue",), condition="")
    clerk = keyed("invoice.read", "invoice.create", "invoice.issue", name="clerk")
    path = f"/api/v1/invoices/{draft.pk}"
    asked = clerk.post(f"{path}/issue", headers={"Idempotency-Key": "k1"}).json()["approval"]
    shown = f"/api/v1/ledger/approvals/{asked['id']}"
    before = clerk.get(shown).json()

    assert clerk.delete(path, headers={"Idempotency-Key": "k2"}).status_code == 204

    assert (before["is_stale"], clerk.get(shown).json()["is_stale"]) == (False, True)
    client.force_login(grant(User.objects.create_user("boss"), "approval.read", "approval.decide"))
    assert (
        "The target has changed since" in client.get(f"/approvals/{asked['id']}").content.decode()
    )


def test_says_when_another_policy_decides_by_now(
    agent: APIClient, confirmed: Booking, client: Client
) -> None:
    asked = cancel(agent, confirmed).json()["approval"]
    shown = f"/api/v1/ledger/approvals/{asked['id']}"
    before = agent.get(shown).json()
    client.force_login(grant(User.objects.create_user("boss"), "approval.read", "approval.decide"))
    page = f"/approvals/{asked['id']}"
    assert "The policy has changed since" not in client.get(page).content.decode()

    put_into_force(name=asked["policy_name"], capabilities=("booking.cancel",), condition="")

    after = agent.get(shown).json()
    assert (before["is_policy_in_force"], after["is_policy_in_force"]) == (True, False)
    assert "The policy has changed since" in client.get(page).content.decode()


def test_wants_a_key(agent: APIClient, confirmed: Booking) -> None:
    answer = cancel(agent, confirmed, key=None)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
    assert not Approval.objects.exists()


def test_is_done_once_when_somebody_else_agreed(agent: APIClient, confirmed: Booking) -> None:
    approval_id = cancel(agent, confirmed).json()["approval"]["id"]
    early = cancel(agent, confirmed, under=approval_id)
    decide(approval_id)

    done = cancel(agent, confirmed, under=approval_id)
    again = cancel(agent, confirmed, under=approval_id)
    later = cancel(agent, confirmed, under=approval_id, key="k2")

    assert (early.status_code, early.json()["code"]) == (409, "approval_not_approved")
    assert (done.status_code, done.json()["status"]) == (200, "cancelled")
    for replayed in (again, later):
        assert (replayed.status_code, replayed.json()["status"]) == (200, "cancelled")
        assert replayed["Idempotency-Replayed"] == "true"
    assert Entry.objects.filter(action_name="booking.cancel", status="succeeded").count() == 1


def test_is_refused_to_others_and_for_other_things(
    agent: APIClient, keyed: Keyed, confirmed: Booking, make_booking: Any
) -> None:
    approval_id = cancel(agent, confirmed).json()["approval"]["id"]
    decide(approval_id)
    rival = keyed("booking.read", "booking.cancel", "approval.read", name="rival")

    by_other = cancel(rival, confirmed, under=approval_id)
    of_other = cancel(agent, make_booking(), under=approval_id)
    with_other = cancel(agent, confirmed, under=approval_id, reason="another")
    of_none = cancel(agent, confirmed, under="nonsense")

    assert (by_other.status_code, by_other.json()["code"]) == (403, "approval_principal_mismatch")
    assert (of_other.status_code, of_other.json()["code"]) == (409, "approval_mismatched_action")
    assert with_other.json()["code"] == "approval_fingerprint_mismatch"
    assert (of_none.status_code, of_none.json()["code"]) == (404, "approval_not_found")
    confirmed.refresh_from_db()
    assert confirmed.status == "confirmed"


def test_of_others_is_not_there_for_who_may_not_see_it(
    agent: APIClient, keyed: Keyed, confirmed: Booking
) -> None:
    approval_id, none = cancel(agent, confirmed).json()["approval"]["id"], str(uuid4())
    decide(approval_id)
    stranger = keyed("booking.read", "booking.cancel", name="stranger")
    reader = keyed("booking.read", "booking.cancel", "approval.read", name="reader")
    narrow = keyed("booking.read", "booking.cancel", name="reader", scopes=("booking.*",))

    answers = [
        cancel(client, confirmed, key=uuid4().hex, under=id_)
        for client in (stranger, narrow)
        for id_ in (approval_id, none)
    ]
    seen = cancel(reader, confirmed, key="another", under=approval_id)

    assert {answer.status_code for answer in answers} == {404}
    bodies = [answer.content.decode().replace(none, approval_id) for answer in answers]
    bodies = [json.dumps({**json.loads(each), "request_id": ""}) for each in bodies]
    assert len(set(bodies)) == 1
    assert seen.json()["code"] == "approval_principal_mismatch"
    refused = Entry.objects.filter(action_name="booking.cancel", status="denied")
    assert refused.filter(approval_id=approval_id).count() == 3


@pytest.mark.parametrize(
    ("command", "target_id"),
    [("booking.cancel", ""), ("booking.cancel", "no id"), ("product.create", "some id")],
)
def test_is_asked_for_ahead_only_of_a_target_that_could_be(
    keyed: Keyed, command: str, target_id: str
) -> None:
    client = keyed("approval.request", "booking.cancel", "product.create")
    request = {"command": command, "target_id": target_id, "input": WHY}

    answer = client.post("/api/v1/ledger/approvals", request, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, "command_target_invalid")
    assert answer.json()["errors"][0]["pointer"] == "/target_id"
    assert not Approval.objects.exists()

"""What a payment provider tells us by itself: believed when it is signed, and noted once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from commerce.models import Chargeback, Payment
from ledger.approving import reference
from ledger.models import Entry
from tests.integration.commerce.acting import work_off_all
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.commerce.api.notifying import tell
from tests.integration.commerce.peers import SECRET, Peers
from tests.integration.ledger.approvals import put_into_force
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

DATED: dict[str, dict[str, Any]] = {
    "payment.chargeback_under_review": {"id": "cb", "reason": "x"},
    "payment.chargeback_resolved": {"id": "cb", "reason": "x", "status": "won"},
    "payment.charged_back": {
        "id": "cb",
        "reason": "x",
        "payment_id": "p",
        "amount_cents": 1,
        "currency": "EUR",
    },
}
"""What a provider says of a chargeback, but for when it happened."""
OTHER_SECRET = "whsec_" + "b3RoZXIgc2VjcmV0IG9mIHNvbWVib2R5IGVsc2Uh"


def charged_back(peers: Peers, payment: Payment, **orders: Any) -> dict[str, Any]:
    peers.tell(peers.payment, charge_back=payment.capture.provider_ref, **orders)
    message: dict[str, Any] = peers.seen(peers.payment)["told"][-1]
    return message


def signed(content: Any, *, secret: str = SECRET, age: timedelta = timedelta()) -> dict[str, Any]:
    body = content if isinstance(content, str) else json.dumps(content)
    at = datetime.now(UTC) - age
    return {
        "body": body,
        "headers": {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign("msg_1", at, body),
        },
    }


class TestChargeback:
    def test_is_taken_in_and_noted_by_a_job(self, captured: Payment, peers: Peers) -> None:
        message = charged_back(peers, captured, amount_cents=24_000, reason="not received")

        answer = tell(message)
        work_off_all()

        assert answer.status_code == 202
        assert Work.objects.get(pk=answer.json()["job_id"]).status == "done"
        chargeback = Chargeback.objects.get()
        [known] = peers.seen(peers.payment)["payments"][0]["chargebacks"]
        assert (chargeback.provider_ref, chargeback.reason) == (known["id"], "not received")
        entry = Entry.objects.get(action_name="chargeback.report")
        assert (entry.principal_id, entry.caller_type) == ("payment_provider/demo", "webhook")
        assert entry.route_or_tool_name.startswith("POST /api/v1/payment-providers/")

    def test_told_again_is_the_same(self, captured: Payment, peers: Peers) -> None:
        first = tell(charged_back(peers, captured))
        work_off_all()
        peers.tell(peers.payment, tell_again=Chargeback.objects.get().provider_ref)
        second = tell(peers.seen(peers.payment)["told"][-1])
        work_off_all()

        assert (second.status_code, second.json()) == (202, first.json())
        assert Chargeback.objects.count() == 1

    def test_told_again_as_something_else_is_refused(self, captured: Payment, peers: Peers) -> None:
        message = charged_back(peers, captured)
        tell(message)
        content = json.loads(message["body"])
        content["data"]["amount_cents"] = 1

        answer = tell(signed(content))

        assert (answer.status_code, answer.json()["code"]) == (409, "job_key_conflict")


class TestTheEndOfAChargeback:
    def test_is_taken_in_noted_and_shown(
        self, admin: APIClient, captured: Payment, peers: Peers
    ) -> None:
        tell(charged_back(peers, captured))
        work_off_all()
        [taken] = admin.get("/api/v1/chargebacks", {"status": "open"}).json()["results"]
        assert taken["resolution"] is None
        peers.tell(peers.payment, resolve=taken["provider_ref"], status="won", reason="It was she")

        answer = tell(peers.seen(peers.payment)["told"][-1])
        work_off_all()

        assert answer.status_code == 202
        [won] = admin.get("/api/v1/chargebacks", {"status": "won"}).json()["results"]
        assert admin.get("/api/v1/chargebacks", {"status": "open"}).json()["results"] == []
        ended = won["resolution"]
        assert (won["status"], ended["returned_cents"], ended["reason"]) == (
            "won",
            24_000,
            "It was she",
        )
        payment = admin.get(f"/api/v1/payments/{ended['payment_id']}").json()
        assert (payment["amount_cents"], payment["status"]) == (24_000, "completed")

    @pytest.mark.usefixtures("peers", "transactional_db")
    @pytest.mark.parametrize("status", ["open", "under_review", 7])
    def test_is_final_or_a_mistake(self, status: object) -> None:
        data = {"id": "cb", "status": status, "reason": "x", "occurred_at": "2026-11-28T09:00:00Z"}

        answer = tell(signed({"type": "payment.chargeback_resolved", "data": data}))

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


class TestResolvingByHand:
    def test_is_done_once_by_who_may(self, keyed: Keyed, captured: Payment, peers: Peers) -> None:
        tell(charged_back(peers, captured))
        work_off_all()
        url = f"/api/v1/chargebacks/{Chargeback.objects.get().pk}/resolve"
        lost = {"status": "lost", "reason": "As the bank wrote."}
        client = keyed("chargeback.read", "chargeback.resolve")

        refused = keyed("chargeback.read", name="reader").post(url, lost, format="json")
        answers = [client.post(url, lost, format="json") for _ in range(2)]
        otherwise = client.post(url, {**lost, "status": "won"}, format="json")
        undecided = client.post(url, {**lost, "status": "open"}, format="json")

        assert refused.status_code == 403
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json()["status"] == "lost"
        assert (otherwise.status_code, otherwise.json()["code"]) == (409, "chargeback_resolved")
        assert (undecided.status_code, undecided.json()["errors"][0]["pointer"]) == (400, "/status")
        assert undecided.json()["errors"][0]["detail"] == "Say one of: won, lost, withdrawn."
        entry = Entry.objects.get(action_name="chargeback.resolve", status="succeeded")
        assert (entry.principal_type, entry.reason) == ("api_key", "As the bank wrote.")

    def test_waits_for_leave_where_a_policy_says_so(
        self, admin: APIClient, keyed: Keyed, captured: Payment, peers: Peers
    ) -> None:
        tell(charged_back(peers, captured))
        work_off_all()
        put_into_force(capabilities=("chargeback.resolve",), condition="!reported_by_provider")
        url = f"/api/v1/chargebacks/{Chargeback.objects.get().pk}/resolve"
        won = {"status": "won", "reason": "As the bank wrote."}
        manager = keyed("approval.decide", name="manager")

        asked = admin.post(url, won, format="json", headers={"Idempotency-Key": "k1"})
        assert asked.status_code == 202
        assert Payment.objects.count() == 1
        approval_id = asked.json()["approval"]["id"]
        decide = f"/api/v1/ledger/approvals/{approval_id}/decide"
        agreed = manager.post(decide, {"decision": "approve", "comment": "Fine."}, format="json")
        under = {"Idempotency-Key": "k1", reference.HEADER: approval_id}
        done = admin.post(url, won, format="json", headers=under)

        assert (agreed.status_code, done.status_code) == (200, 200)
        assert done.json()["resolution"]["returned_cents"] == 24_000
        entry = Entry.objects.get(action_name="chargeback.resolve", status="succeeded")
        assert str(entry.approval_id) == approval_id


class TestSignature:
    @pytest.fixture
    def message(self, captured: Payment, peers: Peers) -> dict[str, Any]:
        return charged_back(peers, captured)

    @pytest.mark.parametrize(
        "headers",
        [
            {"webhook_signature": "v1,AAAA"},
            {"webhook_signature": "nonsense"},
            {"webhook_signature": "v1,é"},
            {"webhook_signature": ""},
            {"webhook_id": "msg_other"},
            {"webhook_timestamp": "0"},
            {"webhook_timestamp": "nan"},
            {"webhook_timestamp": "soon"},
        ],
        ids=str,
    )
    def test_that_is_not_the_providers_is_refused(
        self, message: dict[str, Any], headers: dict[str, str]
    ) -> None:
        answer = tell(message, **headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "signature_refused")
        assert not Work.objects.filter(kind="commerce.note_chargeback").exists()

    def test_covers_the_body(self, message: dict[str, Any]) -> None:
        changed = {**message, "body": message["body"].replace("24000", "24001")}

        assert tell(changed).status_code == 401

    def test_of_somebody_else_or_of_long_ago_is_refused(self, message: dict[str, Any]) -> None:
        content = json.loads(message["body"])

        answers = [
            tell(signed(content, secret=OTHER_SECRET)),
            tell(signed(content, age=timedelta(minutes=6))),
        ]

        assert [answer.status_code for answer in answers] == [401, 401]

    def test_may_be_of_the_next_secret_while_it_is_replaced(self, message: dict[str, Any]) -> None:
        content = json.loads(message["body"])

        with override_settings(COMMERCE_PAYMENT_WEBHOOK_SECRETS=[OTHER_SECRET, SECRET]):
            answers = [tell(message), tell(signed(content, secret=OTHER_SECRET))]

        assert [answer.status_code for answer in answers] == [202, 202]

    def test_is_believed_of_nobody_where_no_secret_is_shared(self, message: dict[str, Any]) -> None:
        with override_settings(COMMERCE_PAYMENT_WEBHOOK_SECRETS=[]):
            refused = tell(message)
        other = APIClient().post("/api/v1/payment-providers/nobody/notifications", {})

        assert [refused.status_code, other.status_code] == [401, 401]


class TestMessage:
    @pytest.mark.usefixtures("peers", "transactional_db")
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            ("no json", "json_malformed"),
            ("[]", "invalid"),
            ({"type": "payment.charged_back"}, "invalid"),
            ({"type": "payment.charged_back", "data": {"id": "cb"}}, "invalid"),
            ({"type": "payment.charged_back", "data": {"amount_cents": -1}}, "invalid"),
        ],
        ids=str,
    )
    def test_that_is_signed_and_no_message_is_a_mistake(self, content: Any, code: str) -> None:
        answer = tell(signed(content))

        assert (answer.status_code, answer.json()["code"]) == (400, code)

    @pytest.mark.usefixtures("peers", "transactional_db")
    @pytest.mark.parametrize(
        "when", ["2426-11-28T09:00:00Z", "0001-01-01T00:00:00Z"], ids=["later", "earlier"]
    )
    @pytest.mark.parametrize("type_", DATED)
    def test_of_a_time_that_cannot_be_is_refused_and_not_enqueued(
        self, type_: str, when: str
    ) -> None:
        answer = tell(signed({"type": type_, "data": {**DATED[type_], "occurred_at": when}}))

        assert (answer.status_code, answer.json()["code"]) == (422, "beyond_horizon")
        assert answer.json()["errors"][0]["pointer"] == "/data/occurred_at"
        assert not Work.objects.exists()

    @pytest.mark.usefixtures("peers", "transactional_db")
    def test_of_what_is_still_to_come_is_refused(self) -> None:
        [(type_, data), *_] = DATED.items()
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

        answer = tell(signed({"type": type_, "data": {**data, "occurred_at": tomorrow}}))

        assert (answer.status_code, answer.json()["code"]) == (422, "still_to_come")

    @pytest.mark.usefixtures("peers", "transactional_db")
    def test_of_other_things_is_heard_and_left(self) -> None:
        answer = tell(signed({"type": "payout.paid", "data": {}}))

        assert answer.status_code == 204
        assert not Entry.objects.exists()

    def test_may_say_more_than_we_know_and_carry_a_key(
        self, captured: Payment, peers: Peers
    ) -> None:
        content = json.loads(charged_back(peers, captured)["body"])
        content["data"]["network"] = {"code": "10.4"}

        answer = tell(signed(content), idempotency_key="k")

        assert answer.status_code == 202

    @pytest.mark.usefixtures("peers", "transactional_db")
    def test_that_is_too_large_is_not_read(self) -> None:
        answer = tell({"body": " " * (1024 * 1024 + 1), "headers": {}})

        assert answer.status_code == 413


class TestReading:
    def test_lists_chargebacks_and_what_they_left_of_a_payment(
        self, admin: APIClient, captured: Payment, peers: Peers
    ) -> None:
        tell(charged_back(peers, captured, amount_cents=30_000))
        work_off_all()

        [disputed] = admin.get("/api/v1/chargebacks", {"is_disputed": "true"}).json()["results"]
        undisputed = admin.get("/api/v1/chargebacks", {"is_disputed": "false"}).json()["results"]
        one = admin.get(f"/api/v1/chargebacks/{disputed['id']}").json()
        payment = admin.get(f"/api/v1/payments/{captured.pk}").json()

        assert (one["charged_back_cents"], one["disputed_cents"]) == (24_000, 6_000)
        assert one == disputed
        assert undisputed == []
        assert (payment["status"], payment["charged_back_cents"]) == ("charged_back", 24_000)

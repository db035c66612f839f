"""Who has to agree before something is undone: previews say it, whoever does it asks them."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from ledger import capabilities
from ledger.domain.capability import ApprovalPolicy
from ledger.models import Approval, Entry, Mutation, ReversalStanding
from tests.integration.ledger.approvals import acting, put_into_force, say
from tests.integration.ledger.beacon import CAPABILITY, ask_first, turn
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.ledger.lamp import look

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("new_beacon")]


@pytest.fixture
def alice(alice: User) -> User:
    return grant(alice, "ledger.read", "ledger.reverse", "approval.read", CAPABILITY)


@pytest.fixture
def clerk(alice: User) -> APIClient:
    return client_with(issue(alice, ["*"])[0])


@pytest.fixture
def turned(alice: User, transactional_db: None) -> UUID:
    with acting(alice):
        return turn(amount_cents=100)


def ask(client: APIClient, entry_id: UUID, *, key: str, under: object = "", **body: Any) -> Any:
    token = look(client, entry_id)["token"]
    headers = {"Idempotency-Key": key} | ({"Action-Approval-Id": str(under)} if under else {})
    return client.post(
        f"/api/v1/ledger/entries/{entry_id}/reversals",
        {"reason": "Wrong way round.", "token": token, **body},
        format="json",
        headers=headers,
    )


class TestThePreview:
    def test_names_nobody_where_nobody_has_to_agree(self, clerk: APIClient, turned: UUID) -> None:
        shown = look(clerk, turned)

        assert (shown["approvals"], shown["requests"]) == ([], [])
        assert [effect["kind"] for effect in shown["effects"]] == ["reverted"]

    def test_names_the_policy_how_many_and_who_may_decide(
        self, clerk: APIClient, turned: UUID, alice: User
    ) -> None:
        finance = Group.objects.create(name="finance")
        with acting(alice):
            ask_first(
                quorum=2,
                condition="target_state.revision == 2 && amount_cents == 100",
                assigned_group=finance.name,
            )

        shown = look(clerk, turned)

        [needed] = shown["approvals"]
        assert needed == {
            "policy_name": "beacon-approval",
            "policy_version": 1,
            "meaning": "For a test.",
            "quorum": 2,
            "assigned_group": "finance",
            "who_may_decide": (
                "members of the group finance who have nothing to do with the request"
            ),
            "reason_code": "beacon_turn_requested_by_api_key",
            "execute": "by_requester",
            "open_for_seconds": 3600,
        }
        assert [effect["kind"] for effect in shown["effects"]] == ["reverted", "approval"]
        assert shown["effects"][1]["summary"].startswith(
            "2 people have to agree first, by the policy beacon-approval@v1: "
        )
        assert shown["refusal"] is None
        assert len(shown["token"]) == 64

    def test_asks_the_policies_about_just_what_would_be_done(
        self, clerk: APIClient, turned: UUID, alice: User
    ) -> None:
        with acting(alice):
            ask_first(condition="amount_cents > 60")

        assert len(look(clerk, turned)["approvals"]) == 1
        assert look(clerk, turned, amount_cents=60)["approvals"] == []

    def test_is_one_for_each_who_looks(
        self, clerk: APIClient, turned: UUID, alice: User, client: Client
    ) -> None:
        with acting(alice):
            put_into_force(
                name="keys-ask", capabilities=(CAPABILITY,), condition="principal_type == 'api_key'"
            )
        alice.is_staff = True
        alice.save()
        client.force_login(alice)

        page = client.get(f"/admin/ledger/reversalstanding/entry/{turned}/").content

        assert len(look(clerk, turned)["approvals"]) == 1
        assert b"to agree first" not in page

    def test_says_that_nobody_can_agree_where_no_policy_says_who(
        self, clerk: APIClient, turned: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        strict = replace(capabilities.get(CAPABILITY), approval=ApprovalPolicy.REQUIRED)
        monkeypatch.setitem(capabilities._DECLARED, CAPABILITY, strict)

        shown = look(clerk, turned)
        answer = ask(clerk, turned, key=uuid4().hex, token="0" * 64)

        assert (shown["refusal"]["code"], shown["token"]) == ("approval_policy_missing", "")
        assert [effect["kind"] for effect in shown["effects"]] == ["reverted", "blocked"]
        assert f"who decides {CAPABILITY}" in shown["effects"][1]["summary"]
        assert (answer.status_code, answer.json()["code"]) == (409, "approval_policy_missing")
        assert not Mutation.objects.filter(reverses=turned).exists()

    def test_names_what_was_asked_for_already(
        self, clerk: APIClient, turned: UUID, alice: User
    ) -> None:
        with acting(alice):
            ask_first()
        ask(clerk, turned, key=uuid4().hex)

        shown = look(clerk, turned)

        approval = Approval.objects.get()
        assert shown["state"] == "requested"
        [request] = shown["requests"]
        assert (request["approval_id"], request["status"]) == (str(approval.pk), "pending")
        assert request["url"] == f"/api/v1/ledger/approvals/{approval.pk}"
        assert [step["step"] for step in shown["steps"]] == ["requested"]


class TestOverRest:
    def test_it_is_answered_with_202_and_done_under_the_approval(
        self, clerk: APIClient, turned: UUID, alice: User, carol: User
    ) -> None:
        with acting(alice):
            ask_first()
        key = uuid4().hex

        waits = ask(clerk, turned, key=key)

        approval = Approval.objects.get()
        assert waits.status_code == 202, waits.json()
        assert waits["Location"] == f"/api/v1/ledger/approvals/{approval.pk}"
        assert waits.json()["approval"]["id"] == str(approval.pk)
        assert waits.json()["requested_action"]["status"] == "awaiting_approval"
        seen = clerk.get(f"/api/v1/ledger/approvals/{approval.pk}").json()
        assert seen["undoes_entry_id"] == str(turned)
        early = ask(clerk, turned, key=uuid4().hex, under=approval.pk)
        assert (early.status_code, early.json()["code"]) == (409, "approval_not_approved")

        say(approval, carol)
        done = ask(clerk, turned, key=key, under=approval.pk)

        assert done.status_code == 201, done.json()
        assert (done.json()["state"], done.json()["outcome"]) == ("completed", "full")
        entry = Entry.objects.get(pk=done.json()["reversal_id"])
        assert (entry.approval_id, entry.causation_id) == (
            approval.pk,
            str(approval.requested_entry_id),
        )
        assert look(clerk, turned)["requests"] == []

    def test_its_repetition_is_answered_the_same_and_does_nothing(
        self, clerk: APIClient, turned: UUID, alice: User, carol: User
    ) -> None:
        with acting(alice):
            ask_first()
        key, path = uuid4().hex, f"/api/v1/ledger/entries/{turned}/reversals"
        body = {"reason": "Wrong way round.", "token": look(clerk, turned)["token"]}
        first = clerk.post(path, body, format="json", headers={"Idempotency-Key": key})
        again = clerk.post(path, body, format="json", headers={"Idempotency-Key": key})
        approval = say(Approval.objects.get(), carol)
        headers = {"Idempotency-Key": key, "Action-Approval-Id": str(approval.pk)}

        done = clerk.post(path, body, format="json", headers=headers)
        repeated = clerk.post(path, body, format="json", headers=headers)

        assert first.json()["approval"]["id"] == again.json()["approval"]["id"]
        assert again.json()["replayed"] is True
        assert (done.status_code, repeated.json()) == (201, done.json())
        steps = Mutation.objects.filter(reverses=turned).order_by("reversal_number")
        assert [step.reversal_step for step in steps] == ["requested", "completed"]


class TestInTheAdmin:
    def test_it_is_asked_for_first_and_then_done(
        self, client: Client, turned: UUID, alice: User, carol: User
    ) -> None:
        User.objects.filter(pk=alice.pk).update(is_staff=True)
        client.force_login(alice)
        with acting(alice):
            ask_first()
        page = f"/admin/ledger/reversalstanding/entry/{turned}/"
        shown = client.get(page)
        assert b"1 person has to agree first, by the policy beacon-approval@v1" in shown.content
        assert b"Ask for approval to undo it exactly like this" in shown.content

        waits = client.post(page, _filled(shown, reason="Wrong way round."), follow=True)

        approval = Approval.objects.get()
        waiting_page = waits.content.decode()
        assert "It awaits approval" in waiting_page
        assert f'<a href="/approvals/{approval.pk}">see the request</a>' in waiting_page
        assert "Pending</a>, requested by" in waiting_page
        assert ReversalStanding.objects.get(entry=turned).state == "requested"
        request = client.get(f"/approvals/{approval.pk}").content.decode()
        assert 'This request is to undo <span class="mono">beacon.turn</span>' in request
        assert f'href="{page}"' in request

        say(approval, carol)
        ready = client.get(page)
        assert b"Ask for approval" not in ready.content
        done = client.post(page, _filled(ready), follow=True)

        assert b"It is completed" in done.content
        assert ReversalStanding.objects.get(entry=turned).state == "completed"


def _filled(shown: Any, **fields: str) -> dict[str, str]:
    """Fill in the form of a page as a person would who changes nothing but `fields`."""
    initial = {name: str(value) for name, value in shown.context["form"].initial.items() if value}
    return {**initial, **fields}

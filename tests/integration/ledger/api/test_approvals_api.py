"""Approvals and their policies over REST."""

import re
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from ledger.models import Approval, Entry
from tests.integration.ledger.approvals import (
    STATE,
    acting,
    asked,
    do,
    give_the_thing_a_command,
    put_into_force,
)
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "/api/v1/ledger/approvals"


@pytest.fixture(autouse=True)
def _the_thing_has_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    give_the_thing_a_command(monkeypatch)


@pytest.fixture
def asker(alice: User) -> User:
    return grant(alice, "approval.request", "api_key.revoke", "approval.decide")


@pytest.fixture
def approval(asker: User, transactional_db: None) -> Approval:
    with acting(asker):
        put_into_force()
        return asked(amount_cents=5)


@pytest.fixture
def manager(bob: User) -> APIClient:
    grant(bob, "approval.read", "approval.decide")
    return client_with(issue(bob, ["*"])[0])


def post(client: APIClient, path: str, **body: Any) -> Any:
    return client.post(path, body, format="json")


class TestLooking:
    def test_shows_what_a_decision_is_about(self, manager: APIClient, approval: Approval) -> None:
        body = manager.get(f"{HERE}/{approval.pk}").json()

        assert body["status"] == "pending"
        assert body["snapshot"] == {"state": {"revision": 1}, "facts": {"amount_cents": 5}}
        assert body["input"] == {"amount_cents": 5}
        assert (body["votes"], body["executed_entry_id"], body["is_stale"]) == ([], None, False)
        STATE["t1"] = 2
        assert manager.get(f"{HERE}/{approval.pk}").json()["is_stale"] is True

    def test_is_filtered(self, manager: APIClient, approval: Approval) -> None:
        def found(**query: str) -> int:
            return len(manager.get(HERE, query).json()["results"])

        assert found(status="pending,approved", risk="high", target_id="t1") == 1
        assert found(policy_name="test-approval", requested_by=approval.requested_by) == 1
        assert found(status="denied") == 0
        assert found(decided_by="user:1") == 0
        assert found(policy_version="1") == 1
        assert manager.get(HERE, {"policy_version": "0.5"}).status_code == 400
        assert manager.get(HERE, {"statsu": "x"}).status_code == 400

    def test_shows_others_only_their_own(self, asker: User, approval: Approval) -> None:
        own = client_with(issue(asker, ["approval.request"])[0])
        stranger = client_with(issue(User.objects.create_user("eve"), ["*"])[0])

        assert own.get(f"{HERE}/{approval.pk}").status_code == 200
        assert stranger.get(f"{HERE}/{approval.pk}").status_code == 404
        assert stranger.get(HERE).json()["results"] == []


class TestDeciding:
    def test_is_kept_with_its_reason(self, manager: APIClient, approval: Approval) -> None:
        response = post(manager, f"{HERE}/{approval.pk}/decide", decision="approve", comment="fine")

        assert (response.status_code, response.json()["status"]) == (200, "approved")
        assert response.json()["votes"][0]["comment"] == "fine"
        again = post(manager, f"{HERE}/{approval.pk}/decide", decision="deny")
        assert (again.status_code, again.json()["code"]) == (409, "approval_decision_conflict")

    def test_is_refused_to_keys_of_the_requester(self, asker: User, approval: Approval) -> None:
        own = client_with(issue(asker, ["*"])[0])

        response = post(own, f"{HERE}/{approval.pk}/decide", decision="approve")

        assert (response.status_code, response.json()["code"]) == (
            403,
            "approval_self_decision_forbidden",
        )
        assert Approval.objects.get(pk=approval.pk).status == "pending"

    def test_takes_no_identity_from_a_body(self, manager: APIClient, approval: Approval) -> None:
        response = post(
            manager, f"{HERE}/{approval.pk}/decide", decision="approve", decided_by="user:1"
        )

        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "unknown")

    def test_can_be_handed_on(self, manager: APIClient, approval: Approval) -> None:
        grant(User.objects.create_user("carol"), "approval.decide")

        response = post(manager, f"{HERE}/{approval.pk}/delegate", to="carol")
        mine = post(manager, f"{HERE}/{approval.pk}/decide", decision="approve")
        nobody = post(manager, f"{HERE}/{approval.pk}/delegate", to="nobody")

        assert response.json()["assigned_to"] == "carol"
        assert (mine.status_code, mine.json()["code"]) == (403, "approval_assignee_mismatch")
        assert (nobody.status_code, nobody.json()["code"]) == (422, "approval_delegate_unknown")


class TestAskingAhead:
    def test_for_a_command_does_nothing(self, asker: User) -> None:
        with acting(asker):
            put_into_force()
        key = client_with(issue(asker, ["*"])[0])

        response = key.post(
            HERE,
            {"command": "thing.do", "target_id": "t1", "input": {"n": 1}},
            format="json",
            headers={"Idempotency-Key": "k"},
        )

        assert response.status_code == 201, response.json()
        assert response.json()["requested_by"].startswith("api_key:")
        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()

    def test_for_what_needs_none_is_refused(self, asker: User) -> None:
        key = client_with(issue(asker, ["*"])[0])

        response = post(key, HERE, command="thing.do", target_id="t1", input={"n": 1})

        assert (response.status_code, response.json()["code"]) == (409, "approval_not_needed")
        assert not Entry.objects.filter(action_name="thing.do").exists()

    @pytest.mark.parametrize(
        ("asked", "foreign"),
        [
            (
                {"command": "thing.do", "target_id": "t1", "reason": "Rain", "subject_id": "p1"},
                ["/reason", "/subject_id"],
            ),
            (
                {"subject_type": "plan", "subject_id": "p1", "title": "Sail", "input": {"n": 1}},
                ["/input"],
            ),
        ],
    )
    def test_ignores_nothing_that_is_said_of_the_other(
        self, asker: User, asked: dict[str, Any], foreign: list[str]
    ) -> None:
        key = client_with(issue(asker, ["*"])[0])

        said = post(key, HERE, **asked)

        assert said.status_code == 400
        assert [each["pointer"] for each in said.json()["errors"]] == foreign
        assert not Approval.objects.exists()

    def test_for_a_subject_waits_and_can_be_withdrawn(self, asker: User) -> None:
        with acting(asker):
            put_into_force(name="subject-approval", capabilities=("approval.request",))
        key = client_with(issue(asker, ["*"])[0])
        plan = {"subject_type": "plan", "subject_id": "p1", "title": "Sail", "reference": "r1"}

        response = post(key, HERE, **plan)
        again = post(key, HERE, **plan)
        gone = post(key, f"{HERE}/{response.json()['id']}/cancel", comment="no")

        assert response.status_code == 201, response.json()
        assert again.json()["id"] == response.json()["id"]
        assert gone.json()["status"] == "cancelled"
        assert not Approval.objects.get(pk=UUID(response.json()["id"])).fingerprint

    def test_for_a_subject_has_a_title_of_200_characters_or_none(self, asker: User) -> None:
        with acting(asker):
            put_into_force(name="subject-approval", capabilities=("approval.request",))
        key = client_with(issue(asker, ["*"])[0])
        plan = {"subject_type": "plan", "subject_id": "p1"}

        refused = post(key, HERE, **plan, title="x" * 201)
        taken = post(key, HERE, **plan, title="x" * 200)

        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/title")
        assert taken.json()["title"] == "x" * 200
        assert Approval.objects.count() == 1


class TestPolicies:
    DRAFT = {
        "name": "much-money",
        "meaning": "Much money takes two.",
        "capabilities": ["api_key.revoke"],
        "condition": "amount_cents > 100",
        "ttl_seconds": 3600,
    }

    @pytest.fixture
    def lawyer(self, bob: User) -> APIClient:
        grant(bob, *(f"approval_policy.{verb}" for verb in ("read", "draft", "activate")))
        return client_with(issue(bob, ["*"])[0])

    def test_are_drafted_tried_and_put_into_force(self, lawyer: APIClient, asker: User) -> None:
        with acting(asker):
            do(amount_cents=50)
            do(amount_cents=500)
        draft = post(lawyer, "/api/v1/ledger/policies", **self.DRAFT).json()

        tried = post(lawyer, f"/api/v1/ledger/policies/{draft['id']}/what-if", days=7).json()

        assert (tried["asked_before"], tried["asked_after"], tried["more_count"]) == (0, 1, 1)
        assert [(each["before"], each["after"]) for each in tried["more"]] == [(0, 1)]
        assert (tried["cut"], tried["is_complete"]) == (None, True)
        assert tried["by_capability"] == {
            "api_key.revoke": {"newly_needed": 1, "no_longer_needed": 0, "quorum_changed": 0}
        }
        output = StringIO()
        call_command("approval_policy_what_if", "much-money", stdout=output)
        call_command("approval_policy_what_if", "much-money", condition="false", stdout=output)
        assert re.findall("asked for approval: (.+)", output.getvalue()) == ["0 → 1", "0 → 0"]
        with pytest.raises(CommandError, match="line 1, column 3"):
            call_command("approval_policy_what_if", "much-money", condition="a b")
        with acting(asker):
            do(amount_cents=500)
        in_force = post(lawyer, f"/api/v1/ledger/policies/{draft['id']}/activate")
        assert in_force.json()["status"] == "active"
        with acting(asker):
            assert asked(amount_cents=500).policy_name == "much-money"
            do(amount_cents=50)

    def test_are_tried_with_another_condition_without_drafting_it(
        self, lawyer: APIClient, asker: User
    ) -> None:
        with acting(asker):
            do(amount_cents=50)
        draft = post(lawyer, "/api/v1/ledger/policies", **self.DRAFT).json()
        url = f"/api/v1/ledger/policies/{draft['id']}/what-if"

        tried = post(lawyer, url, days=7, condition="target_type == 'thing'").json()
        wrong = post(lawyer, url, condition="a &&\n  b ==")

        assert (tried["more_count"], tried["more"][0]["change"]) == (1, "newly_needed")
        assert tried["condition"] == "target_type == 'thing'"
        assert (wrong.status_code, wrong.json()["code"]) == (422, "policy_condition_invalid")
        assert wrong.json()["facts"] == {"line": 2, "column": 5}
        assert wrong.json()["errors"][0]["pointer"] == "/condition"
        assert lawyer.get(f"/api/v1/ledger/policies/{draft['id']}").json() == draft

    def test_give_way_to_their_next_version(self, lawyer: APIClient) -> None:
        one, two = (post(lawyer, "/api/v1/ledger/policies", **self.DRAFT).json() for _ in "12")
        for each in (one, two):
            post(lawyer, f"/api/v1/ledger/policies/{each['id']}/activate")

        listed = lawyer.get("/api/v1/ledger/policies", {"name": "much-money"}).json()["results"]
        assert {each["version"]: each["status"] for each in listed} == {1: "retired", 2: "active"}
        for query, versions in (
            ({"capability": "api_key.revoke"}, [2, 1]),
            ({"capability": "booking.cancel"}, []),
            ({"status": "retired"}, [1]),
            ({"status": "retired,active"}, [2, 1]),
        ):
            found = lawyer.get("/api/v1/ledger/policies", query).json()["results"]
            assert [each["version"] for each in found] == versions, query
        fixed = post(lawyer, f"/api/v1/ledger/policies/{one['id']}/activate")
        assert (fixed.status_code, fixed.json()["code"]) == (409, "approval_policy_fixed")

    @pytest.mark.parametrize(
        ("wrong", "code", "pointer"),
        [
            ({"condition": "amount_cents >"}, "policy_condition_invalid", "/condition"),
            ({"condition": "amuont > 1"}, "policy_condition_name_unknown", "/condition"),
            (
                {"escalate_when": "is_dear(1)", "escalated_quorum": 2},
                "policy_condition_name_unknown",
                "/escalate_when",
            ),
            ({"capabilities": ["sun.rise"]}, "approval_policy_invalid", "/capabilities"),
            ({"assigned_group": "Finanze"}, "approval_policy_invalid", "/assigned_group"),
            ({"escalated_quorum": 2, "quorum": 3}, "approval_policy_invalid", "/escalated_quorum"),
            ({"escalate_when": "true"}, "approval_policy_invalid", "/escalated_quorum"),
        ],
    )
    def test_that_make_no_sense_are_refused(
        self, lawyer: APIClient, wrong: dict[str, Any], code: str, pointer: str
    ) -> None:
        response = post(lawyer, "/api/v1/ledger/policies", **{**self.DRAFT, **wrong})

        assert (response.status_code, response.json()["code"]) == (422, code)
        assert response.json()["errors"][0]["pointer"] == pointer

"""A new first key of the installation: what was said under the one before still counts."""

import base64
import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from events.domain import canonical
from ledger.approving.gate import ApprovalRequired, ApprovedActionRepeated
from ledger.domain import approval as rules
from ledger.domain.action import Action, Idempotency, Kind, Target
from ledger.domain.keyed import Keyed, under
from ledger.entries import ActionKeyReused, ActionRepeated
from ledger.models import Approval, Entry, IdempotencyKey
from ledger.privacy import subjects
from ledger.recording import recorded
from tests.integration.ledger import approvals
from tests.integration.ledger.approvals import STATE, acting, asked, do, put_into_force, say
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = "ada@example.com"


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def hidden() -> str:
    """What a service says of an address that nobody may read."""
    return subjects.fingerprint_of(EMAIL, of="thing.do")


@pytest.fixture(autouse=True)
def _alice_acts_under_a_policy(
    alice: User, transactional_db: None, settings: Settings
) -> Iterator[None]:
    STATE.clear()
    settings.LEDGER_DATA_KEYS = [key("a")]
    put_into_force()
    with acting(alice):
        yield


@pytest.fixture
def rotated(settings: Settings) -> Any:
    def it(*letters: str) -> None:
        settings.LEDGER_DATA_KEYS = [key(letter) for letter in letters]

    return it


class TestAnApproval:
    def test_that_was_given_under_the_key_before_is_good(self, carol: User, rotated: Any) -> None:
        approval = say(asked(to=hidden()), carol)
        rotated("b", "a")

        entry_id = approvals.under(approval, to=hidden())

        assert Entry.objects.get(pk=entry_id).approval_id == approval.pk
        with pytest.raises(ApprovedActionRepeated):
            approvals.under(approval, to=hidden())

    def test_that_was_given_is_found_by_a_form(self, carol: User, rotated: Any) -> None:
        approval = say(asked(to=hidden()), carol)
        rotated("b", "a")

        entry_id = do(to=hidden())

        assert Entry.objects.get(pk=entry_id).approval_id == approval.pk

    def test_that_is_waited_for_is_not_asked_for_anew(self, rotated: Any) -> None:
        approval = asked(to=hidden())
        rotated("b", "a")

        assert asked(to=hidden()).pk == approval.pk
        assert Approval.objects.get().status == "pending"

    def test_under_a_key_that_is_gone_is_asked_for_anew(self, carol: User, rotated: Any) -> None:
        say(asked(to=hidden()), carol)
        rotated("b")

        with pytest.raises(ApprovalRequired):
            do(to=hidden())

    def test_of_before_fingerprints_were_keyed_is_good(self, carol: User) -> None:
        approval = asked(n=5)
        was = _rewritten(approval)

        say(was, carol)

        assert Entry.objects.get(pk=approvals.under(was, n=5)).approval_id == approval.pk


class TestAFingerprint:
    def test_is_none_that_can_be_guessed(self) -> None:
        approval = asked(amount_cents=12_000)

        entry = approval.requested_entry
        for stands in (approval.fingerprint, approval.command_fingerprint):
            assert stands not in _guesses(approval)
        assert entry.idempotency_fingerprint == approval.fingerprint

    def test_of_an_action_with_a_key_of_its_own_is_compared_under_each(self, rotated: Any) -> None:
        _once(to=hidden())
        rotated("b", "a")

        with pytest.raises(ActionRepeated):
            _once(to=hidden())
        with pytest.raises(ActionKeyReused):
            _once(to="another")

    def test_can_be_copied_with_all_that_it_is(self, rotated: Any) -> None:
        rotated("b", "a")
        fingerprint = subjects.fingerprint_of(EMAIL, of="x")

        found = copy.deepcopy({"to": [fingerprint]})

        assert isinstance(fingerprint, Keyed)
        assert [under(found, number)["to"] for number in (0, 1)] == [
            [one] for one in fingerprint.under
        ]
        assert (str(fingerprint), len(set(fingerprint.under))) == (fingerprint.under[0], 2)


class TestARequest:
    def test_that_is_repeated_after_the_rotation_is_answered_as_before(
        self, alice: User, rotated: Any
    ) -> None:
        grant(alice, "api_key.issue")
        client = client_with(issue(alice, ["*"])[0])
        put_into_force(name="test-approval", condition="false")

        def make(name: str) -> Any:
            return client.post(
                "/api/v1/api-keys",
                {"name": name, "scopes": ["api_key.read"]},
                format="json",
                headers={"Idempotency-Key": "k1"},
            )

        first = make("a name")
        rotated("b", "a")
        again, other = make("a name"), make("another")

        assert first.status_code == 201, first.json()
        assert again.json()["id"] == first.json()["id"]
        assert other.json()["code"] == "idempotency_key_reused"
        assert IdempotencyKey.objects.count() == 1


def _once(**asked: Any) -> None:
    action = Action(
        name="thing.note",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="event.read",
        idempotency=Idempotency(scope="a scope", key="a key"),
        input=asked,
    )
    with recorded(action):
        pass


def _guesses(approval: Approval) -> set[str]:
    entry = approval.requested_entry
    command = {
        "actionName": entry.action_name,
        "actionVersion": "v1",
        "targetType": "thing",
        "targetId": "t1",
        "commandInput": {"amount_cents": 12_000},
    }
    return {canonical.fingerprint(command), hashlib.sha256(b"").hexdigest()}


def _rewritten(approval: Approval) -> Approval:
    """Have an approval as earlier revisions wrote it."""
    bound = _bound_of(approval)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        Approval.objects.filter(pk=approval.pk).update(
            fingerprint=canonical.fingerprint(rules.approved_content(bound)),
            command_fingerprint=canonical.fingerprint(rules.command_of(bound)),
        )
        cursor.execute("SET session_replication_role = origin")
    approval.refresh_from_db()
    return approval


def _bound_of(approval: Approval) -> rules.Bound:
    return rules.Bound(
        action=approval.action_name,
        version=1,
        target_type="thing",
        target_id="t1",
        input={"n": 5},
        state={"revision": 1},
        principal=approval.requested_by,
        capability=approval.capability_id,
        capability_version=approval.capability_version,
        risk=approval.risk,
        policy=approval.policy_name,
        policy_version=approval.policy_version,
        reason_code=approval.reason_code,
    )

"""The idempotency key of a request for approval: it finds that one request, and no other."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User

from ledger import idempotency
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import Action, Kind, Target
from ledger.domain.keyed import Keyed
from ledger.domain.validation import ApprovalNotApproved
from ledger.entries import ActionKeyReused
from ledger.idempotency import Request
from ledger.models import Approval
from ledger.recording import recorded
from tests.integration.ledger.approvals import STATE, acting, asked, do, put_into_force, say

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _alice_acts_under_a_policy(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    put_into_force(condition="true")
    with acting(alice):
        yield


@contextmanager
def keyed(key: str, scope: str = "alice") -> Iterator[None]:
    """Act as a request with this key, whose first response nobody has any more."""
    with idempotency.exchange() as exchange:
        exchange.request = Request(scope=scope, key=key, fingerprint=Keyed(["the request"]))
        yield


def asked_under(key: str, thing: str = "t1", **facts: object) -> Approval:
    with keyed(key):
        return asked(thing, **facts)


class TestAKey:
    def test_finds_the_request_that_was_made_under_it(self, carol: User) -> None:
        first, second = asked_under("k1", "t1"), asked_under("k2", "t2")
        say(first, carol, "deny")
        say(second, carol, "deny")

        for key, thing, approval in (("k1", "t1", first), ("k2", "t2", second)):
            # Without its key it would be asked for anew: what is denied is over.
            with keyed(key), pytest.raises(ApprovalNotApproved) as refused:
                do(thing)
            assert refused.value.facts["approval_id"] == str(approval.pk)

        assert Approval.objects.count() == 2

    def test_is_good_for_one_request(self) -> None:
        first = asked_under("k1")

        with keyed("k1"), pytest.raises(ActionKeyReused):
            do(n=2)

        assert [(row.pk, row.status) for row in Approval.objects.all()] == [(first.pk, "pending")]

    def test_is_good_for_another_request_of_somebody_else(self, bob: User) -> None:
        first = asked_under("k1")

        with acting(bob), keyed("k1", "bob"):
            other = asked(n=2)

        assert other.pk != first.pk
        assert {row.requested_by for row in (first, other)} == {
            row.requested_by for row in Approval.objects.filter(status="pending")
        }

    def test_is_not_good_for_the_same_on_what_has_changed(self) -> None:
        asked_under("k1")
        STATE["t1"] = 2

        with keyed("k1"), pytest.raises(ActionKeyReused):
            do()

    def test_of_a_request_with_two_actions_asks_for_each(self) -> None:
        first = asked_under("k1")
        other = Action(
            name="thing.undo",
            kind=Kind.EXECUTE,
            target=Target(type="thing", id="t1"),
            capability="api_key.revoke",
        )

        with keyed("k1"), pytest.raises(ApprovalRequired) as required, recorded(other):
            pass

        assert required.value.approval.pk != first.pk

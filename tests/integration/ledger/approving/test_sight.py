"""Somebody else's approval is found by who may see it: everybody else learns nothing of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from events import context
from events.domain.context import Origin
from events.domain.principal import Principal, PrincipalKind
from ledger.approving import reference
from ledger.domain.approval import ApprovalNotFound
from ledger.domain.validation import ApprovalPrincipalMismatch
from ledger.models import Approval, Entry
from ledger.services import approvals
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.approvals import STATE, acting, asked, do, put_into_force, say, under
from tests.integration.ledger.conftest import grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

SEES, SEES_NOTHING = ApprovalPrincipalMismatch, ApprovalNotFound


@pytest.fixture
def bob(db: None) -> User:
    return grant(User.objects.create_user("bob"), "api_key.revoke", "approval.read")


@pytest.fixture
def given(alice: User, transactional_db: None) -> Approval:
    """What alice was given leave for, and has not done."""
    STATE.clear()
    carol = grant(User.objects.create_user("carol"), "approval.decide")
    with acting(User.objects.get(pk=alice.pk)):
        put_into_force()
        approval = asked()
    return say(approval, carol)


def asked_by(user: User) -> Approval:
    with acting(user):
        return asked("t3")


def under_none() -> AbstractContextManager[object]:
    """Refer to an approval that there is not."""
    return reference.presenting(str(uuid4()))


def refusals_of(approval: Approval) -> list[Entry]:
    return list(Entry.objects.filter(approval_id=approval.pk, status="denied"))


@contextmanager
def by_key(user: User, *scopes: str) -> Iterator[None]:
    prefix = issue(user, scopes)[0].split("_")[1]
    key = Principal(kind=PrincipalKind.API_KEY, id=prefix)
    with context.acting(key, origin=Origin(caller_type="api")):
        yield


@contextmanager
def by_agent(user: User, *scopes: str, **limits: Any) -> Iterator[None]:
    link = delegated(an_agent(user, "other"), *scopes, **limits)
    with context.acting(link.principal, origin=Origin(caller_type="mcp")):
        yield


class TestAPerson:
    def test_finds_it_with_another_key_of_who_asked(self, given: Approval, alice: User) -> None:
        with by_key(alice, "api_key.*"), pytest.raises(SEES):
            under(given)

    def test_finds_it_who_may_read_them_all(self, given: Approval, bob: User) -> None:
        with acting(bob), pytest.raises(SEES):
            under(given)

    def test_finds_nothing_without_that(self, given: Approval) -> None:
        eve = grant(User.objects.create_user("eve"), "api_key.revoke")

        with acting(eve), pytest.raises(SEES_NOTHING):
            under(given)

    def test_finds_nothing_once_gone(self, given: Approval, bob: User) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=False)

        with acting(bob), pytest.raises(SEES_NOTHING):
            under(given)

    @pytest.mark.parametrize(
        ("scopes", "finds"),
        [(("api_key.*",), SEES_NOTHING), (("api_key.*", "approval.read"), SEES)],
    )
    def test_finds_with_a_key_what_is_in_its_scope(
        self, given: Approval, bob: User, scopes: tuple[str, ...], finds: type[Exception]
    ) -> None:
        with by_key(bob, *scopes), pytest.raises(finds):
            under(given)


class TestWhoPollsWhatOthersAskedFor:
    def test_leaves_one_refusal_whatever_they_try_under_it(self, given: Approval) -> None:
        eve = grant(User.objects.create_user("eve"), "api_key.revoke")
        other = asked_by(eve)

        for thing in ("t1", "t1", "t2"):
            with acting(eve), pytest.raises(SEES_NOTHING):
                under(given, thing)

        [entry] = refusals_of(given)
        assert entry.mutation.summary == "Refused: approval_not_found"
        assert (entry.principal_id, entry.action_name) == (str(eve.pk), "thing.do")
        with acting(grant(User.objects.create_user("mallory"))), pytest.raises(SEES_NOTHING):
            under(given)
        with acting(grant(User.objects.get(username="carol"))), pytest.raises(SEES_NOTHING):
            under(other)
        assert len(refusals_of(given)) == 2
        assert len(refusals_of(other)) == 1

    def test_leaves_one_however_its_id_is_written(self, given: Approval) -> None:
        eve = grant(User.objects.create_user("eve"), "api_key.revoke")

        for written in (str(given.pk), given.pk.hex, str(given.pk).upper()):
            with acting(eve), reference.presenting(written), pytest.raises(SEES_NOTHING):
                do()

        assert len(refusals_of(given)) == 1

    def test_leaves_one_an_hour_of_ids_that_are_none(self, given: Approval) -> None:
        eve = grant(User.objects.create_user("eve"), "api_key.revoke")

        for presented in (under_none(), under_none(), reference.presenting("no id at all")):
            with acting(eve), presented, pytest.raises(SEES_NOTHING):
                do()

        [entry] = Entry.objects.filter(status="denied")
        assert entry.mutation.summary == "Refused: approval_not_found"
        assert (entry.principal_id, entry.approval_id) == (str(eve.pk), None)
        later = time_machine.travel(timezone.now() + timedelta(hours=1), tick=False)
        with later, acting(eve), under_none(), pytest.raises(SEES_NOTHING):
            do()
        assert Entry.objects.filter(status="denied").count() == 2

    def test_leaves_one_however_often_they_want_to_withdraw_it(self, given: Approval) -> None:
        eve = User.objects.create_user("eve")

        for _ in range(3):
            with acting(eve) as caller, pytest.raises(SEES_NOTHING):
                approvals.cancel_approval(approval_id=given.pk, by=caller)

        [entry] = refusals_of(given)
        assert entry.mutation.summary == "Refused: approval_not_the_requester"

    def test_leaves_one_also_where_they_may_read_it(self, given: Approval, bob: User) -> None:
        for _ in range(3):
            with acting(bob), pytest.raises(SEES):
                under(given)

        [entry] = refusals_of(given)
        assert entry.mutation.summary == "Refused: approval_principal_mismatch"


class TestAnAgent:
    def test_finds_nothing_that_its_owner_asked_for(self, given: Approval, alice: User) -> None:
        with by_agent(alice, "event.read"), pytest.raises(SEES_NOTHING):
            under(given, capability="event.read")

    @pytest.mark.parametrize(
        ("scopes", "resources", "finds"),
        [
            (("event.read",), {}, SEES_NOTHING),
            (("*",), {"booking": ("t1",)}, SEES_NOTHING),
            (("*",), {}, SEES),
        ],
        ids=["without the scope", "with a filter", "with all of it"],
    )
    def test_finds_what_it_was_delegated_to_read(
        self,
        given: Approval,
        bob: User,
        scopes: tuple[str, ...],
        resources: dict[str, tuple[str, ...]],
        finds: type[Exception],
    ) -> None:
        with by_agent(bob, *scopes, resources=resources), pytest.raises(finds):
            under(given, capability="event.read")

"""What happens to one approval at the same moment: each order has one end, and is told once.

Who comes second waits for who is first: the first is held where it has the lock, until the
second is seen to wait.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from ledger.domain.approval import ApprovalDecisionConflict
from ledger.invariants.approvals import approvals_are_of_others_and_used_once
from ledger.models import Approval, Entry
from ledger.services import approvals
from tests.chaos.load import eventually
from tests.integration.ledger.access.test_stops_at_once import waiting
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say, under
from tests.integration.ledger.at_once import DONE, ending, held_at, one_waits_for_the_other

pytestmark = pytest.mark.django_db(transaction=True)

TTL = timedelta(hours=1)
ENDS_IT = 'UPDATE "ledger_approval"'


@pytest.fixture(autouse=True)
def _a_policy(transactional_db: None) -> Iterator[None]:
    STATE.clear()
    put_into_force(ttl=TTL)
    yield
    assert approvals_are_of_others_and_used_once() == []


@pytest.fixture
def approval(alice: User, _a_policy: None) -> Approval:
    with acting(alice):
        return asked(n=1)


def status_of(approval: Approval) -> str:
    return Approval.objects.values_list("status", flat=True).get(pk=approval.pk)


def ends_of(approval: Approval) -> list[str]:
    ends = ("approved", "denied", "expired", "superseded", "cancelled")
    rows = Entry.objects.filter(approval_id=approval.pk, status__in=ends)
    return list(rows.values_list("status", flat=True))


class TestWhoDecidesAsTheTimeRunsOut:
    def test_after_the_sweep_is_too_late(self, approval: Approval, carol: User) -> None:
        with time_machine.travel(timezone.now() + 2 * TTL, tick=False):
            ends = one_waits_for_the_other(
                ENDS_IT, approvals.expire_approvals, lambda: say(approval, carol)
            )

        assert ends == (DONE, ApprovalDecisionConflict.code)
        assert (status_of(approval), ends_of(approval)) == ("expired", ["expired"])

    def test_before_the_sweep_is_heard(self, approval: Approval, carol: User) -> None:
        swept: list[int] = []

        def sweep() -> None:
            swept.append(approvals.expire_approvals())

        with (
            ThreadPoolExecutor(1) as pool,
            held_at(ENDS_IT, lambda: say(approval, carol)) as (decided, may_go_on),
            time_machine.travel(timezone.now() + 2 * TTL, tick=False),
        ):
            other = pool.submit(ending, sweep)
            eventually(waiting)
            may_go_on.set()
            ends = decided.result(60), other.result(60)

        assert (ends, swept) == ((DONE, DONE), [0])
        assert (status_of(approval), ends_of(approval)) == ("approved", ["approved"])


class TestWhoAsksForSomethingElse:
    def test_while_it_is_agreed_to_leaves_what_was_agreed_to(
        self, approval: Approval, alice: User, carol: User
    ) -> None:
        other: list[Approval] = []

        def ask() -> None:
            with acting(alice):
                other.append(asked(n=2))

        ends = one_waits_for_the_other(ENDS_IT, lambda: say(approval, carol), ask)

        assert ends == (DONE, DONE)
        assert (status_of(approval), status_of(other[0])) == ("approved", "pending")
        assert ends_of(approval) == ["approved"]
        with acting(alice):
            under(approval, n=1)

    def test_before_it_is_agreed_to_has_replaced_it(
        self, approval: Approval, alice: User, carol: User
    ) -> None:
        def ask() -> None:
            with acting(alice):
                asked(n=2)

        ends = one_waits_for_the_other(ENDS_IT, ask, lambda: say(approval, carol))

        assert ends == (DONE, ApprovalDecisionConflict.code)
        assert (status_of(approval), ends_of(approval)) == ("superseded", ["superseded"])

    def test_while_it_is_used_takes_nothing_away(
        self, approval: Approval, alice: User, carol: User
    ) -> None:
        say(approval, carol)
        start = Barrier(2)

        def use() -> None:
            start.wait(60)
            with acting(alice):
                under(approval, n=1)

        def ask() -> None:
            start.wait(60)
            with acting(alice):
                asked(n=2)

        with ThreadPoolExecutor(2) as pool:
            ends = [each.result(60) for each in [pool.submit(ending, act) for act in (use, ask)]]

        assert ends == [DONE, DONE]
        assert status_of(approval) == "approved"
        assert Entry.objects.filter(approval_id=approval.pk, status="succeeded").count() == 1


def test_after_a_no_the_same_is_asked_anew(approval: Approval, alice: User, carol: User) -> None:
    say(approval, carol, "deny")

    with acting(alice):
        again = asked(n=1)

    assert again.pk != approval.pk
    assert (status_of(approval), again.status) == ("denied", "pending")

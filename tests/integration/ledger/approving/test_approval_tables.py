"""What the tables refuse, whoever writes past the services; and what two do at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from events.domain.errors import DomainError
from ledger.invariants.approvals import approvals_are_of_others_and_used_once
from ledger.models import Approval, ApprovalVote, Entry
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say, under

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def approval(alice: User, transactional_db: None) -> Approval:
    STATE.clear()
    with acting(alice):
        put_into_force()
        return asked()


class TestTheDatabase:
    def test_takes_no_voice_of_who_asked(self, approval: Approval, alice: User) -> None:
        with pytest.raises(IntegrityError, match="nobody decides what they asked for"):
            ApprovalVote.objects.create(
                approval=approval, principal="user:999", human=str(alice.pk), decision="approve"
            )

    def test_takes_no_voice_of_a_program(self, approval: Approval) -> None:
        with pytest.raises(IntegrityError, match="cannot decide"):
            ApprovalVote.objects.create(
                approval=approval, principal="agent:x@y", human="77", decision="approve"
            )

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"status": "approved"}, "takes more people"),
            ({"quorum": 0}, "is about what it was asked for"),
            ({"fingerprint": "f" * 64}, "is about what it was asked for"),
            ({"humans": []}, "is about what it was asked for"),
        ],
    )
    def test_lets_nothing_else_change(
        self, approval: Approval, change: dict[str, object], why: str
    ) -> None:
        when = {"decided_at": timezone.now()} if "status" in change else {}

        with pytest.raises(IntegrityError, match=why):
            Approval.objects.filter(pk=approval.pk).update(**change, **when)

    def test_lets_no_end_change(self, approval: Approval, carol: User) -> None:
        say(approval, carol, "deny")

        with pytest.raises(IntegrityError, match="that is final"):
            Approval.objects.filter(pk=approval.pk).update(status="pending", decided_at=None)
        with pytest.raises(IntegrityError, match="never deleted"), connection.cursor() as cursor:
            cursor.execute("DELETE FROM ledger_approval")

    def test_wants_an_entry_of_each_step(self, approval: Approval) -> None:
        now = timezone.now()

        with pytest.raises(IntegrityError, match="not on record"):
            Approval.objects.filter(pk=approval.pk).update(status="cancelled", decided_at=now)

    def test_keeps_voices_as_they_were(self, approval: Approval, carol: User) -> None:
        say(approval, carol)

        with pytest.raises(DatabaseError, match="append-only"):
            ApprovalVote.objects.update(decision="deny")


class TestAtOnce:
    def test_a_yes_and_a_no_have_one_end(self, approval: Approval, carol: User, dave: User) -> None:
        start = Barrier(2)

        def decide(user: User, decision: str) -> str:
            start.wait()
            try:
                return say(approval, user, decision).status
            except DomainError as refused:
                return refused.code
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            votes = [pool.submit(decide, carol, "approve"), pool.submit(decide, dave, "deny")]
            outcomes = {each.result() for each in votes}

        assert "approval_decision_conflict" in outcomes
        assert Entry.objects.filter(approval_id=approval.pk).count() == 2

    def test_twenty_executions_do_it_once(
        self, approval: Approval, alice: User, carol: User
    ) -> None:
        say(approval, carol)
        start = Barrier(20)

        def execute(_: int) -> str:
            start.wait()
            try:
                with acting(alice):
                    under(approval)
            except DomainError as refused:
                return refused.code
            else:
                return "done"
            finally:
                connection.close()

        with ThreadPoolExecutor(20) as pool:
            outcomes = list(pool.map(execute, range(20)))

        assert sorted(outcomes) == ["approved_action_repeated"] * 19 + ["done"]
        assert Entry.objects.filter(approval_id=approval.pk, status="succeeded").count() == 1

    def test_twenty_requests_ask_once(self, approval: Approval, alice: User) -> None:
        start = Barrier(20)

        def ask(_: int) -> str:
            start.wait()
            try:
                with acting(alice):
                    return str(asked("t2").pk)
            finally:
                connection.close()

        with ThreadPoolExecutor(20) as pool:
            found = set(pool.map(ask, range(20)))

        assert len(found) == 1


class TestTheDoctor:
    def test_finds_nothing_where_all_went_its_way(
        self, approval: Approval, alice: User, carol: User
    ) -> None:
        say(approval, carol)
        with acting(alice):
            under(approval)

        assert approvals_are_of_others_and_used_once() == []

    def test_finds_what_was_written_with_the_triggers_asleep(self, approval: Approval) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            Approval.objects.filter(pk=approval.pk).update(
                status="approved", decided_at=timezone.now()
            )

        assert approvals_are_of_others_and_used_once() == [
            f"approval {approval.pk} was approved by too few"
        ]

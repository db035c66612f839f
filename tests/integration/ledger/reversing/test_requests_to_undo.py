"""A reversal that waits for approval says so, and stops saying so when nobody waits."""

from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone

from events import selectors
from ledger import commands
from ledger.approving import reference
from ledger.approving.gate import ApprovalRequired
from ledger.commands import Command
from ledger.domain.reversals import ReversalAlreadyReversed, ReversalExceedsOriginal
from ledger.domain.validation import ApprovalExpired, ApprovalMismatchedAction
from ledger.models import Approval, Entry, Mutation, ReversalStanding
from ledger.reversing import previews
from ledger.services import approvals
from tests.integration.commerce.acting import DONE, race
from tests.integration.ledger import beacon
from tests.integration.ledger.approvals import acting, say
from tests.integration.ledger.beacon import (
    Beacon,
    BeaconJams,
    ask_first,
    asked_to_turn_back,
    standing_of,
    turn,
    turn_back_under,
)
from tests.integration.ledger.conftest import grant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("new_beacon")]


@pytest.fixture
def alice(alice: User) -> User:
    return grant(alice, "approval.decide", "ledger.reverse", "api_key.revoke")


@pytest.fixture
def bob(bob: User) -> User:
    return grant(bob, "approval.decide", "ledger.reverse", "api_key.revoke")


@pytest.fixture
def turned(alice: User, transactional_db: None) -> UUID:
    """A turn of the beacon that was free; turning it back takes approval."""
    with acting(alice):
        entry_id = turn()
        ask_first()
    return entry_id


def steps_of(entry_id: UUID) -> list[tuple[str, str]]:
    rows = Mutation.objects.filter(reverses=entry_id).select_related("entry")
    return [(row.reversal_step, row.entry.status) for row in rows.order_by("reversal_number")]


def event_names(entry_id: UUID) -> list[str]:
    return [event.name for event in selectors.stream_events(("reversal", str(entry_id)))]


class TestAsking:
    def test_puts_the_request_on_record_and_tells_it(self, turned: UUID, alice: User) -> None:
        approval = asked_to_turn_back(turned, alice)

        standing = standing_of(turned)
        assert (standing.state, standing.requests) == ("requested", [approval.pk])
        request = Entry.objects.select_related("mutation").get(pk=approval.requested_entry_id)
        assert (request.status, request.mutation.reverses_id) == ("awaiting_approval", turned)
        assert request.mutation.reversal_step == "requested"
        assert event_names(turned) == ["ledger.reversal.requested"]

    def test_twice_is_one_request(self, turned: UUID, alice: User) -> None:
        first = asked_to_turn_back(turned, alice)

        assert asked_to_turn_back(turned, alice).pk == first.pk
        assert steps_of(turned) == [("requested", "awaiting_approval")]

    def test_leaves_the_preview_what_it_was(self, turned: UUID, alice: User) -> None:
        with acting(alice):
            before = previews.preview(turned).token
        asked_to_turn_back(turned, alice)

        with acting(alice):
            assert previews.preview(turned).token == before != ""

    def test_for_more_than_is_left_is_refused_and_asks_nobody(
        self, alice: User, transactional_db: None
    ) -> None:
        with acting(alice):
            entry_id = turn(amount_cents=100)
            ask_first()

        with pytest.raises(ReversalExceedsOriginal):
            asked_to_turn_back(entry_id, alice, amount_cents=101)

        assert not Approval.objects.exists()

    def test_for_the_same_for_its_own_sake_is_another_request(
        self, turned: UUID, alice: User
    ) -> None:
        with acting(alice), pytest.raises(ApprovalRequired) as plain:
            turn(reason="Wrong way round.")
        approval = asked_to_turn_back(turned, alice)

        assert approval.fingerprint == plain.value.approval.fingerprint
        assert Approval.objects.get(pk=plain.value.approval.pk).status == "superseded"
        assert standing_of(turned).requests == [approval.pk]


class TestUsing:
    def test_ends_the_request_with_the_reversal(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)
        assert standing_of(turned).state == "requested"

        done = turn_back_under(approval, turned, alice)

        standing = standing_of(turned)
        assert (standing.state, standing.requests) == ("completed", [])
        assert Entry.objects.get(pk=done.reversal_id).approval_id == approval.pk
        assert steps_of(turned) == [
            ("requested", "awaiting_approval"),
            ("completed", "reversed"),
        ]

    def test_that_fails_leaves_it_requested_and_can_be_tried_again(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)
        Beacon.fails = BeaconJams()

        with pytest.raises(BeaconJams):
            turn_back_under(approval, turned, alice)

        standing = standing_of(turned)
        assert (standing.state, standing.outcome) == ("requested", "failed")
        assert standing.requests == [approval.pk]
        Beacon.fails = None
        assert turn_back_under(approval, turned, alice).state == "completed"

    def test_for_its_own_sake_is_not_what_was_approved(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)

        with (
            acting(alice),
            reference.presenting(str(approval.pk)),
            pytest.raises(ApprovalMismatchedAction) as refusal,
        ):
            turn(reason="Wrong way round.")

        assert refusal.value.facts["differs"] == ["undoes"]
        assert standing_of(turned).state == "requested"

    def test_for_a_part_leaves_the_other_request_open(
        self, alice: User, bob: User, carol: User, transactional_db: None
    ) -> None:
        with acting(alice):
            entry_id = turn(amount_cents=100)
            ask_first()
        first = say(asked_to_turn_back(entry_id, alice, amount_cents=60), carol)
        other = asked_to_turn_back(entry_id, bob, amount_cents=30)

        turn_back_under(first, entry_id, alice, amount_cents=60)

        standing = standing_of(entry_id)
        assert (standing.state, standing.outcome) == ("requested", "partial")
        assert standing.requests == [other.pk]
        say(other, carol, "deny")
        assert standing_of(entry_id).state == "completed"

    def test_by_daybook_itself_is_that_reversal(
        self, alice: User, carol: User, monkeypatch: pytest.MonkeyPatch, transactional_db: None
    ) -> None:
        monkeypatch.setattr(commands, "_commands", dict(commands._commands))
        commands.register(
            Command(
                name=beacon.TURN,
                version=1,
                meaning="Turn the beacon.",
                capability=beacon.CAPABILITY,
                target_type="beacon",
                input_schema={"type": "object"},
                state_of=lambda _: {"revision": Beacon.revision},
                run=lambda id_, arguments: str(turn(id_=id_, **arguments)),
            )
        )
        with acting(alice):
            entry_id = turn()
            ask_first(execute="on_approval")
        approval = say(asked_to_turn_back(entry_id, alice), carol)

        with acting(alice):
            approvals.execute_approved(approval_id=approval.pk)

        standing = standing_of(entry_id)
        assert (standing.state, standing.outcome, standing.requests) == ("completed", "full", [])
        assert standing.reversed_by is not None
        assert standing.reversed_by.reason == "Wrong way round."

    def test_what_was_asked_for_before_requests_were_noted_ends_well(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        # Such an approval is as one of the plain action: its request undoes nothing.
        with acting(alice), pytest.raises(ApprovalRequired) as required:
            turn(reason="Wrong way round.")
        old = say(required.value.approval, carol)
        assert standing_of(turned).state == "available"

        done = turn_back_under(old, turned, alice)

        assert (done.state, standing_of(turned).requests) == ("completed", [])


class TestEnding:
    def test_by_a_denial_withdraws_it(self, turned: UUID, alice: User, carol: User) -> None:
        say(asked_to_turn_back(turned, alice), carol, "deny")

        standing = standing_of(turned)
        assert (standing.state, standing.outcome, standing.requests) == ("available", "", [])
        assert steps_of(turned) == [("requested", "awaiting_approval"), ("withdrawn", "denied")]
        assert event_names(turned) == ["ledger.reversal.requested", "ledger.reversal.withdrawn"]

    def test_by_who_asked_withdraws_it(self, turned: UUID, alice: User) -> None:
        approval = asked_to_turn_back(turned, alice)

        with acting(alice) as caller:
            approvals.cancel_approval(approval_id=approval.pk, by=caller)

        assert standing_of(turned).state == "available"
        assert steps_of(turned)[-1] == ("withdrawn", "cancelled")

    def test_by_time_withdraws_it(self, turned: UUID, alice: User) -> None:
        asked_to_turn_back(turned, alice)

        with time_machine.travel(timezone.now() + timedelta(hours=2), tick=False):
            assert approvals.expire_approvals() == 1

        assert standing_of(turned).state == "available"
        assert steps_of(turned)[-1] == ("withdrawn", "expired")

    def test_by_a_newer_request_leaves_the_newer_one(self, turned: UUID, alice: User) -> None:
        older = asked_to_turn_back(turned, alice)
        Beacon.revision += 1

        newer = asked_to_turn_back(turned, alice)

        assert Approval.objects.get(pk=older.pk).status == "superseded"
        assert (standing_of(turned).state, standing_of(turned).requests) == (
            "requested",
            [newer.pk],
        )
        assert [step for step, _ in steps_of(turned)] == ["requested", "withdrawn", "requested"]

    def test_of_one_of_two_leaves_the_other(
        self, turned: UUID, alice: User, bob: User, carol: User
    ) -> None:
        hers, his = asked_to_turn_back(turned, alice), asked_to_turn_back(turned, bob)

        say(hers, carol, "deny")
        assert (standing_of(turned).state, standing_of(turned).requests) == ("requested", [his.pk])
        say(his, carol, "deny")

        assert standing_of(turned).state == "available"

    def test_of_one_that_was_approved_and_not_used_comes_with_its_time(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)
        assert approvals.expire_approvals() == 0
        assert standing_of(turned).state == "requested"

        with time_machine.travel(timezone.now() + timedelta(hours=2), tick=False):
            assert approvals.expire_approvals() == 1
            assert approvals.expire_approvals() == 0
            with pytest.raises(ApprovalExpired):
                turn_back_under(approval, turned, alice)

        approval.refresh_from_db()
        assert approval.status == "approved"
        assert standing_of(turned).state == "available"
        lapsed = Entry.objects.get(approval_id=approval.pk, status="expired")
        assert (lapsed.principal_type, lapsed.principal_id) == ("system", "approval-expiry")
        assert lapsed.mutation.summary == "Approved, and not used in time."

    def test_after_everything_was_undone_by_somebody_changes_nothing(
        self, turned: UUID, alice: User, bob: User, carol: User
    ) -> None:
        hers, his = asked_to_turn_back(turned, alice), asked_to_turn_back(turned, bob)
        turn_back_under(say(hers, carol), turned, alice)
        assert (standing_of(turned).state, standing_of(turned).requests) == ("completed", [his.pk])

        say(his, carol, "deny")

        assert (standing_of(turned).state, standing_of(turned).requests) == ("completed", [])
        with pytest.raises(ReversalAlreadyReversed):
            asked_to_turn_back(turned, bob)


class TestRaces:
    def test_two_who_ask_at_once_are_both_on_record(
        self, turned: UUID, alice: User, bob: User
    ) -> None:
        ends = race(
            lambda: asked_to_turn_back(turned, alice), lambda: asked_to_turn_back(turned, bob)
        )

        assert ends == [DONE, DONE]
        standing = standing_of(turned)
        assert sorted(standing.requests) == sorted(Approval.objects.values_list("pk", flat=True))
        assert (standing.state, standing.steps) == ("requested", 2)

    def test_a_withdrawal_and_a_denial_end_it_once(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        approval = asked_to_turn_back(turned, alice)

        def withdraw() -> None:
            with acting(alice) as caller:
                approvals.cancel_approval(approval_id=approval.pk, by=caller)

        ends = race(withdraw, lambda: say(approval, carol, "deny"))

        assert sorted(ends) == ["approval_decision_conflict", DONE]
        assert standing_of(turned).state == "available"
        assert [step for step, _ in steps_of(turned)] == ["requested", "withdrawn"]

    def test_two_uses_at_once_undo_it_once(self, turned: UUID, alice: User, carol: User) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)

        def use() -> None:
            turn_back_under(approval, turned, alice)

        ends = race(use, use, use)

        assert ends.count(DONE) == 1
        # Which one says so depends on how far they had come.
        late = {"already_reversed", "preview_stale", "action_repeated", "already_executed"}
        assert {end.split("_", 1)[1] for end in ends if end != DONE} <= late
        assert (standing_of(turned).state, standing_of(turned).requests) == ("completed", [])

    def test_the_end_of_its_time_and_its_use_do_not_both_happen(
        self, turned: UUID, alice: User, carol: User
    ) -> None:
        approval = say(asked_to_turn_back(turned, alice), carol)

        # Both in the last moment: who comes first is chance, what is on record is not.
        with time_machine.travel(approval.expires_at, tick=False):
            ends = race(
                lambda: turn_back_under(approval, turned, alice), approvals.expire_approvals
            )

        assert ends == ["approval_expired", DONE]
        assert standing_of(turned).state == "available"

    def test_who_replaces_two_requests_crosswise_does_not_deadlock(
        self, alice: User, bob: User, transactional_db: None
    ) -> None:
        with acting(alice):
            one = turn()
            other = turn()
            ask_first()
        for user, first in ((alice, one), (bob, other)):
            asked_to_turn_back(first, user)
        Beacon.revision += 1

        ends = race(lambda: asked_to_turn_back(other, alice), lambda: asked_to_turn_back(one, bob))

        assert ends == [DONE, DONE]
        assert {standing_of(one).state, standing_of(other).state} == {"requested"}


def test_the_database_refuses_a_request_that_names_no_approval(turned: UUID) -> None:
    with pytest.raises(IntegrityError, match="ledger_standing_requested_says_under_what"):
        ReversalStanding.objects.filter(entry=turned).update(state="requested")

"""What undoes and what amends what: a graph without a cycle, whatever anybody does."""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from events.domain.errors import DomainError
from ledger.approving import steps
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import Kind, Status
from ledger.domain.reversals import StepKind, Undoing
from ledger.invariants.reversals import (
    requests_to_undo_are_open,
    reversals_are_sound,
    standings_follow_from_entries,
)
from ledger.models import Approval, Entry, Mutation, ReversalStanding
from tests.integration.ledger.approvals import acting, say
from tests.integration.ledger.beacon import (
    Beacon,
    ask_first,
    asked_to_turn_back,
    turn,
    turn_back,
    turn_back_under,
)
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

FREE, DEAR = 10, 90
"""Turning by so much is free, or takes approval."""

doings = st.tuples(
    st.sampled_from(["turn", "undo", "undo", "undo", "amend", "approve", "deny", "use"]),
    st.integers(0, 30),
)


@pytest.fixture
def alice(alice: User) -> User:
    return grant(alice, "approval.decide", "ledger.reverse", "api_key.revoke")


@pytest.fixture(autouse=True)
def _a_beacon_that_takes_leave_when_it_is_much(alice: User) -> Iterator[None]:
    Beacon.revision, Beacon.fails = 1, None
    with acting(alice):
        ask_first(condition=f"amount_cents > {DEAR - 1}")
        yield


class Story:
    """What is done to one beacon, by real services; `ids` are the entries, as they came."""

    def __init__(self, alice: User, carol: User) -> None:
        self.alice, self.carol, self.beacon = alice, carol, f"b-{uuid4().hex}"

    @property
    def ids(self) -> list[UUID]:
        mine = Entry.objects.filter(target_type="beacon", target_id=self.beacon)
        return list(mine.order_by("created_at", "occurred_at").values_list("pk", flat=True))

    def go_on(self, what: str, pick: int) -> None:
        """Do one thing to one of the entries or approvals so far, whether it is allowed or not."""
        cents = DEAR if pick % 3 == 0 else FREE
        ids = self.ids
        approvals = list(Approval.objects.filter(target_id=self.beacon).order_by("requested_at"))
        chosen = approvals[pick % len(approvals)] if approvals else None
        if what == "turn" or not ids:
            turn(id_=self.beacon, amount_cents=FREE, reason=f"turn {len(ids)}")
        elif what == "undo":
            turn_back(ids[pick % len(ids)], self.alice)
        elif what == "amend":
            turn(id_=self.beacon, amount_cents=cents, amends=ids[pick % len(ids)])
        elif chosen is not None and what in {"approve", "deny"}:
            say(chosen, self.carol, what)
        elif chosen is not None:
            of = Mutation.objects.get(pk=chosen.requested_entry_id).reverses_id
            turn_back_under(chosen, of or ids[0], self.alice)


def edges_of(ids: list[UUID]) -> set[tuple[UUID, UUID]]:
    """Return (later, earlier) for everything that undoes or amends something."""
    undone = Mutation.objects.filter(pk__in=ids, reverses__isnull=False)
    amended = Entry.objects.filter(pk__in=ids, amends__isnull=False)
    pairs = [*undone.values_list("pk", "reverses"), *amended.values_list("pk", "amends")]
    return {(later, earlier) for later, earlier in pairs if earlier is not None}


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(doings, min_size=4, max_size=12))
def test_nothing_that_is_done_makes_a_cycle(
    alice: User, carol: User, script: list[tuple[str, int]]
) -> None:
    story = Story(alice, carol)
    for what, pick in script:
        try:
            story.go_on(what, pick)
            event(f"{what}: done")
        except ApprovalRequired:
            event(f"{what}: asked for")
        except DomainError as refusal:
            event(f"{what}: {refusal.code}")

    graph: dict[UUID, set[UUID]] = {id_: set() for id_ in story.ids}
    for later, earlier in edges_of(story.ids):
        graph[later].add(earlier)
    list(TopologicalSorter(graph).static_order())  # Raises CycleError.
    assert reversals_are_sound() == []
    assert standings_follow_from_entries() == []
    assert requests_to_undo_are_open() == []


class TestTheDatabase:
    def test_refuses_two_entries_that_amend_each_other(self) -> None:
        one, other = turn(), turn()
        columns = [field.column or "" for field in Entry._meta.concrete_fields]
        others = ", ".join(name for name in columns if name not in {"id", "amends_id"})
        # The foreign key alone would wait for the end of the transaction, and find both.
        copy = (
            f"INSERT INTO ledger_entry (id, amends_id, {others}) SELECT %s, %s, {others} "
            "FROM ledger_entry WHERE id = %s"
        )
        ids = [uuid4(), uuid4()]

        with (
            pytest.raises(IntegrityError, match="which is not there before it"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.executemany(copy, [[ids[0], ids[1], one], [ids[1], ids[0], other]])


class TestTheDoctor:
    def test_names_what_undoes_itself_by_a_circle(self) -> None:
        one, other = turn(), turn()
        undoing = "reversal_step = 'failed', reversal_number = 1, reversal_outcome = 'failed'"

        found = []
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE ledger_entry SET amends_id = %s WHERE id = %s", [other, one])
            cursor.execute("UPDATE ledger_entry SET created_at = now()")
            cursor.execute(
                f"UPDATE ledger_entry SET reverses_id = %s, {undoing} WHERE id = %s",
                [one, other],
            )
            found = reversals_are_sound()
            transaction.set_rollback(True)

        assert found == [
            f"entry {each} undoes or amends itself, by a circle" for each in sorted([one, other])
        ]

    def test_names_what_amends_a_later_one(self) -> None:
        one, other = turn(), turn()

        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE ledger_entry SET amends_id = %s WHERE id = %s", [other, one])
            found = reversals_are_sound()
            transaction.set_rollback(True)

        assert found == [f"entry {one} amends {other}, which came later"]

    def test_names_what_waits_for_an_approval_that_is_over(self, alice: User, carol: User) -> None:
        one = turn(amount_cents=DEAR - 1)
        ask_first(name="always", condition="target_type == 'beacon'")
        approval = say(asked_to_turn_back(one, alice), carol, "deny")
        ReversalStanding.objects.filter(entry=one).update(requests=[approval.pk])

        assert requests_to_undo_are_open() == [
            f"entry {one} waits for approval {approval.pk}, which is over or used"
        ]
        assert len(standings_follow_from_entries()) == 1

    def test_names_what_waits_no_more_for_an_approval_that_is_open(self, alice: User) -> None:
        one = turn(amount_cents=DEAR - 1)
        ask_first(name="always", condition="target_type == 'beacon'")
        approval = asked_to_turn_back(one, alice)
        with transaction.atomic():
            steps.note(
                approval,
                kind=Kind.REJECT,
                status=Status.CANCELLED,
                summary="Nobody ended it.",
                undoing=Undoing(of=one, step=StepKind.WITHDRAWN),
            )

        assert requests_to_undo_are_open() == [
            f"entry {one} waits no more for approval {approval.pk}, which is open"
        ]

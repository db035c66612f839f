from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from events import context, selectors
from events.domain.principal import Principal, PrincipalKind
from ledger import recording
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Proof, Read, Target
from ledger.domain.reversals import (
    Declaration,
    ReversalAlreadyReversed,
    ReversalExceedsOriginal,
    ReversalKind,
    ReversalNotReversible,
    StepKind,
    Undoing,
)
from ledger.models import Entry, Mutation, ReversalStanding
from ledger.reversing import reversal_context
from tests.integration.commerce.acting import DONE, race

pytestmark = pytest.mark.django_db(transaction=True)

THING = Target(type="thing", id="t1")
CLERK = Principal(kind=PrincipalKind.USER, id="7")
COUNTED = Declaration(
    kind=ReversalKind.COMPENSATE,
    command="thing.give_back",
    version=2,
    amount_cents=100,
    currency="EUR",
    follow_ups=("thing.apologise",),
)
WHOLE = Declaration(kind=ReversalKind.REVERT, command="thing.undo", version=1)


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test"):
        yield


@contextmanager
def doing(name: str = "thing.do") -> Iterator[Proof]:
    action = Action(
        name=name,
        kind=Kind.EXECUTE,
        target=THING,
        capability="api_key.read",
    )
    with recording.recorded(action) as proof:
        yield proof


def done(declared: Declaration = WHOLE) -> UUID:
    with doing() as proof:
        proof.can_be_undone(declared)
    return proof.entry_id


def undo(entry_id: UUID, **facts: Any) -> UUID:
    with doing("thing.undo") as proof:
        proof.undoes(Undoing(of=entry_id, **facts))
    return proof.entry_id


def standing_of(entry_id: UUID) -> ReversalStanding:
    return ReversalStanding.objects.get(entry=entry_id)


class TestDeclaring:
    def test_is_part_of_the_sealed_bytes(self) -> None:
        entry_id = done(COUNTED)

        body = orjson.loads(Entry.objects.get(pk=entry_id).body)
        assert body["reversal_kind"] == "compensate"
        assert (body["reversal_command_id"], body["reversal_command_version"]) == (
            "thing.give_back",
            2,
        )
        assert (body["reversal_amount_cents"], body["reversal_currency"]) == (100, "EUR")
        assert body["reversal_follow_ups"] == ["thing.apologise"]

    def test_leaves_a_standing_that_is_available(self) -> None:
        standing = standing_of(done(COUNTED))

        assert (standing.state, standing.outcome, standing.amount_cents) == ("available", "", 100)

    def test_costs_no_statement_of_its_own(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(3):
            done(COUNTED)

    def test_of_no_way_back_says_why_and_leaves_no_standing(self) -> None:
        with doing() as proof:
            proof.cannot_be_undone("It has left the house.", follow_ups=("thing.apologise",))

        mutation = Mutation.objects.get(pk=proof.entry_id)
        assert (mutation.reversal_kind, mutation.reversal_why) == ("none", "It has left the house.")
        assert not ReversalStanding.objects.exists()

    def test_nothing_at_all_leaves_the_bytes_as_they_were(self) -> None:
        with doing() as proof:
            pass

        body = orjson.loads(Entry.objects.get(pk=proof.entry_id).body)
        assert not [name for name in body if name.startswith("revers")]


class TestUndoing:
    def test_links_both_ways_and_tells_it(self) -> None:
        entry_id = done()
        reversal_id = undo(entry_id)

        entry = Entry.objects.select_related("mutation").get(pk=reversal_id)
        assert (entry.action_kind, entry.status) == ("reverse", "reversed")
        assert entry.mutation.reverses_id == entry_id
        assert entry.mutation.reversal_outcome == "full"
        standing = standing_of(entry_id)
        assert (standing.state, standing.outcome) == ("completed", "full")
        assert standing.reversed_by_id == reversal_id
        [event] = selectors.stream_events(("reversal", str(entry_id)))
        assert (event.name, event.data["reversalId"]) == (
            "ledger.reversal.completed",
            str(reversal_id),
        )

    def test_is_what_the_first_action_of_a_reversal_does_and_not_the_second(self) -> None:
        entry_id = done()

        with reversal_context.during(Undoing(of=entry_id)) as ongoing:
            with doing("thing.undo") as first:
                pass
            with doing("thing.clean_up") as second:
                pass

        assert ongoing.entry_id == first.entry_id
        assert Mutation.objects.get(pk=first.entry_id).reverses_id == entry_id
        assert Mutation.objects.get(pk=second.entry_id).reverses_id is None

    def test_happens_once_and_leaves_nothing_of_the_second(self) -> None:
        entry_id = done()
        undo(entry_id)
        before = Entry.objects.count()

        with pytest.raises(ReversalAlreadyReversed):
            undo(entry_id)

        assert Entry.objects.count() == before

    def test_chains_parts_up_to_the_whole(self) -> None:
        entry_id = done(COUNTED)

        undo(entry_id, amount_cents=60, kind=ReversalKind.COMPENSATE)
        with pytest.raises(ReversalExceedsOriginal):
            undo(entry_id, amount_cents=41)
        undo(entry_id, amount_cents=40)

        steps = Mutation.objects.filter(reverses=entry_id).order_by("reversal_number")
        assert [(step.reversed_cents, step.reversal_outcome) for step in steps] == [
            (60, "partial"),
            (40, "full"),
        ]
        with pytest.raises(ReversalAlreadyReversed):
            undo(entry_id, amount_cents=1)

    def test_is_refused_where_the_action_declared_no_way_back(self) -> None:
        with doing() as proof:
            pass

        with pytest.raises(ReversalNotReversible):
            undo(proof.entry_id)

    def test_of_an_undoing_needs_that_it_declares_one_too(self) -> None:
        entry_id = done()
        final = undo(entry_id)
        with pytest.raises(ReversalNotReversible):
            undo(final)

        other = done()
        with doing("thing.undo") as proof:
            proof.undoes(Undoing(of=other))
            proof.can_be_undone(WHOLE)
        redone = undo(proof.entry_id)

        assert Mutation.objects.get(pk=redone).reverses_id == proof.entry_id

    def test_of_many_rivals_one_undoes_the_whole(self) -> None:
        entry_id = done()

        ends = race(*[lambda: undo(entry_id)] * 6)

        assert sorted(ends) == [DONE] + ["reversal_already_reversed"] * 5
        assert Mutation.objects.filter(reverses=entry_id).count() == 1

    def test_by_many_rivals_never_gives_back_more_than_there_was(self) -> None:
        entry_id = done(COUNTED)

        ends = race(*[lambda: undo(entry_id, amount_cents=30)] * 6)

        assert ends.count(DONE) == 3
        assert standing_of(entry_id).done_cents == 90


class TestTheDatabaseSaysItAgain:
    def insert(self, *ids: UUID, undoing: list[UUID]) -> None:
        """Insert copies of an entry, each of which claims to undo another."""
        columns = [field.column or "" for field in Entry._meta.concrete_fields]
        others = ", ".join(n for n in columns if n not in {"id", "transaction_id", "created_at"})
        with doing() as proof:
            pass
        connection.cursor().execute(
            "INSERT INTO ledger_entry (id, reverses_id, reversal_step, reversal_number, "
            f"reversal_outcome, {others}) "
            f"SELECT p.later, p.earlier, 'completed', 9, 'full', {others} "
            "FROM ledger_entry e, unnest(%s::uuid[], %s::uuid[]) p(later, earlier) WHERE e.id = %s",
            [list(ids), undoing, proof.entry_id],
        )

    def test_a_full_reversal_happens_once(self) -> None:
        entry_id = done()
        undo(entry_id)

        with pytest.raises(IntegrityError, match="ledger_full_reversal_happens_once"):
            self.insert(UUID(int=5), undoing=[entry_id])

    def test_an_undoing_comes_after_what_it_undoes(self) -> None:
        with pytest.raises(IntegrityError, match="records no change before it"):
            self.insert(UUID(int=5), undoing=[UUID(int=6)])

    def test_what_declares_no_way_back_is_not_undone(self) -> None:
        with doing() as proof:
            pass

        with pytest.raises(IntegrityError, match="declares no way back"):
            self.insert(UUID(int=5), undoing=[proof.entry_id])

    def test_what_was_looked_at_is_not_undone(self) -> None:
        look = Read(name="thing.read", target=THING, capability="api_key.read", fields=("all",))
        disclosing.disclosed(look, lambda: None)

        with pytest.raises(IntegrityError, match="records no change before it"):
            self.insert(UUID(int=5), undoing=[Entry.objects.get(action_kind="read").pk])

    def test_parts_never_exceed_the_whole(self) -> None:
        entry_id = done(COUNTED)

        with pytest.raises(IntegrityError, match="ledger_reversals_never_exceed_the_original"):
            ReversalStanding.objects.filter(entry=entry_id).update(done_cents=101)

    @pytest.mark.parametrize(
        ("rule", "changes"),
        [
            ("ledger_standing_state_is_known", {"state": "gone"}),
            ("ledger_standing_outcome_is_one", {"outcome": "none"}),
            ("ledger_standing_amounts_are_not_negative", {"running_cents": -1}),
            ("ledger_standing_running_has_something_under_way", {"running": 1}),
            ("ledger_standing_completed_says_by_what", {"state": "completed"}),
            ("ledger_standing_counts_from_zero", {"steps": -1}),
            ("ledger_standing_is_of_an_entry", {"entry_id": UUID(int=5)}),
        ],
    )
    def test_a_standing_keeps_its_rules(self, rule: str, changes: dict[str, Any]) -> None:
        entry_id = done(COUNTED)

        with pytest.raises(IntegrityError) as refused:
            ReversalStanding.objects.filter(entry=entry_id).update(**changes)

        assert isinstance(refused.value.__cause__, psycopg.Error)
        assert refused.value.__cause__.diag.constraint_name == rule

    def test_there_is_no_standing_without_its_entry(self) -> None:
        with pytest.raises(IntegrityError, match="whose standing this is"):
            ReversalStanding.objects.create(entry_id=UUID(int=5), state="available")

    def test_no_cycle_can_be_written_even_in_one_statement(self) -> None:
        one, other = UUID(int=5), UUID(int=6)
        with pytest.raises(IntegrityError, match="records no change before it"):
            self.insert(one, other, undoing=[other, one])


class TestBegun:
    def test_runs_until_it_has_settled(self) -> None:
        entry_id = done(COUNTED)

        begun_id = undo(
            entry_id, step=StepKind.BEGUN, amount_cents=50, kind=ReversalKind.COMPENSATE
        )
        begun = Entry.objects.get(pk=begun_id)
        assert (begun.action_kind, begun.status) == ("compensate", "succeeded")
        assert standing_of(entry_id).state == "running"

        settled_id = undo(
            entry_id, step=StepKind.SETTLED, amount_cents=50, kind=ReversalKind.COMPENSATE
        )
        settled = Entry.objects.get(pk=settled_id)
        assert (settled.action_kind, settled.status) == ("compensate", "compensated")
        standing = standing_of(entry_id)
        assert (standing.state, standing.outcome, standing.done_cents) == (
            "completed",
            "partial",
            50,
        )

    def test_is_refused_when_the_time_is_over(self) -> None:
        past = timezone.now() - timedelta(seconds=1)
        entry_id = done(
            Declaration(kind=ReversalKind.REVERT, command="thing.undo", version=1, until=past)
        )
        outcome = race(lambda: undo(entry_id, step=StepKind.BEGUN))

        assert outcome == ["reversal_expired"]

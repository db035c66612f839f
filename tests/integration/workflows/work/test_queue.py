import base64
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from events import context
from events.domain import canonical
from events.domain.principal import Principal, PrincipalKind
from events.selectors import stream_events
from tests.integration.workflows.work.conftest import Enqueue, journal, let_time_pass, row, take
from workflows.work import documents, leases, queue, registry, selectors
from workflows.work.domain.claim import CancelRequested, ClaimLost, WorkRef
from workflows.work.domain.life import NotPossible, State
from workflows.work.migrations.schema.journal import WRITE_DOWN
from workflows.work.models import Attempt, EveryAttempt, Work
from workflows.work.queue import (
    Item,
    JobKeyConflict,
    KeyInvalid,
    OutsideTransaction,
    ReasonMissing,
    WorkNotFound,
)
from workflows.work.registry import InputInvalid, KindUnknown

pytestmark = pytest.mark.django_db


def data_key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


class TestEnqueue:
    def test_writes_one_row_with_the_context_of_the_caller(self, enqueue: Enqueue) -> None:
        who = Principal(kind=PrincipalKind.USER, id="7")
        with context.acting(who, correlation_id="cor_1", causation_id="evt_1"):
            ref = enqueue("lab.echo", {"n": 1}, subject="booking/1", priority=5)

        work = row(ref)
        assert (work.kind, work.subject, work.input) == ("lab.echo", "booking/1", '{"n":1}')
        assert (work.status, work.priority, work.attempt, work.fence) == ("ready", 5, 0, 0)
        assert (work.principal, work.correlation_id, work.causation_id) == (
            "user:7",
            "cor_1",
            "evt_1",
        )
        assert (work.max_attempts, work.crash_budget) == (8, 3)

    def test_is_undone_with_the_transaction(self, enqueue: Enqueue) -> None:
        with transaction.atomic():
            enqueue()
            transaction.set_rollback(True)

        assert not Work.objects.exists()

    def test_refuses_to_be_outside_one(self) -> None:
        with pytest.raises(OutsideTransaction) as bug:
            queue.enqueue("lab.echo", subject="s", input={"n": 1})

        assert str(bug.value) == (
            "queue.enqueue belongs into the transaction that is the reason for it."
        )
        assert not Work.objects.exists()

    def test_schedules_what_is_due_later(self, enqueue: Enqueue) -> None:
        ref = enqueue(delay=timedelta(minutes=5))

        assert row(ref).status == "scheduled"
        assert row(ref).due_at > timezone.now() + timedelta(minutes=4)
        assert leases.claim([ref.id], worker="w", kinds=registry.names()) == []

    def test_refuses_an_unknown_kind(self, enqueue: Enqueue) -> None:
        with pytest.raises(KindUnknown, match=r"There is no kind of work called 'lab.nothing'\."):
            enqueue("lab.nothing")

    def test_points_at_what_is_wrong_with_the_input(self, enqueue: Enqueue) -> None:
        with pytest.raises(InputInvalid) as refusal:
            enqueue("lab.echo", {"n": "one", "to": ["a", 2]})

        assert refusal.value.facts["errors"] == [
            {"pointer": "/input/n", "detail": "'one' is not of type 'integer'"},
            {"pointer": "/input/to/1", "detail": "2 is not of type 'string'"},
        ]
        assert not Work.objects.exists()

    @pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800", 2**64, -(2**70)])
    def test_refuses_what_is_no_json(self, enqueue: Enqueue, value: object) -> None:
        with pytest.raises(documents.NotJson):
            enqueue("lab.light", {"value": value})

    def test_refuses_what_is_too_large(self, enqueue: Enqueue) -> None:
        with pytest.raises(documents.DocumentTooLarge) as refused:
            enqueue("lab.light", {"value": "é" * (documents.BYTES_MAX // 2)})

        assert refused.value.facts["bytes"] == documents.BYTES_MAX + len('{"value":""}')
        assert not Work.objects.exists()

    @pytest.mark.parametrize("attempts", [0, -1])
    def test_refuses_fewer_attempts_than_one(self, enqueue: Enqueue, attempts: int) -> None:
        with pytest.raises(AssertionError, match="one attempt at least"):
            enqueue("lab.light", {}, max_attempts=attempts)

    def test_keeps_every_integer_of_64_bits_as_it_is(self, enqueue: Enqueue) -> None:
        numbers = [2**64 - 1, -(2**63), 2**53 + 1, "18446744073709551616", 0.1234567890123456789]

        assert take(enqueue("lab.light", {"numbers": numbers})).input == {"numbers": numbers}

    def test_keeps_a_large_input_by_its_hash(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.light", {"n": "é" * 40_000})

        assert row(ref).input is None
        assert len(row(ref).input_hash or "") == 64
        assert take(ref).input == {"n": "é" * 40_000}

    def test_writes_many_with_one_statement(self, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
        items = [Item(input={"n": n}) for n in range(50)]
        with transaction.atomic(), django_assert_num_queries(1):
            refs = queue.enqueue_many("lab.light", items)

        assert [row(ref).input for ref in refs[:2]] == ['{"n":0}', '{"n":1}']


class TestIdempotencyKey:
    def test_returns_the_first_job_for_the_same_input(self, enqueue: Enqueue) -> None:
        first = enqueue("lab.light", {"a": 1, "b": 2}, idempotency_key="k")
        leases.complete_many([(take(first), None)])

        again = enqueue("lab.light", {"b": 2, "a": 1}, idempotency_key="k")

        assert again.id == first.id
        assert (first.is_new, again.is_new) == (True, False)
        assert Work.objects.count() == 1

    def test_is_a_conflict_for_another_input(self, enqueue: Enqueue) -> None:
        first = enqueue("lab.light", {"n": 1}, idempotency_key="k")

        with pytest.raises(JobKeyConflict) as refusal:
            enqueue("lab.light", {"n": 2}, idempotency_key="k")

        assert refusal.value.facts["job_id"] == str(first.id)
        assert Work.objects.count() == 1

    def test_keeps_no_digest_from_which_the_input_is_guessed(self, enqueue: Enqueue) -> None:
        email = {"email": "ada@example.com"}

        ref = enqueue("lab.light", email, idempotency_key="k")

        assert row(ref).fingerprint not in {None, canonical.fingerprint(email)}

    def test_knows_its_input_again_from_before_and_under_an_older_key(
        self, enqueue: Enqueue, settings: Settings
    ) -> None:
        settings.LEDGER_DATA_KEYS = [data_key("a")]
        first = enqueue("lab.light", {"n": 1}, idempotency_key="k")
        before = enqueue("lab.light", {"n": 1}, idempotency_key="before")
        Work.objects.filter(pk=before.id).update(fingerprint=canonical.fingerprint({"n": 1}))

        settings.LEDGER_DATA_KEYS = [data_key("b"), data_key("a")]

        assert enqueue("lab.light", {"n": 1}, idempotency_key="k").id == first.id
        assert enqueue("lab.light", {"n": 1}, idempotency_key="before").id == before.id
        for key in ("k", "before"):
            with pytest.raises(JobKeyConflict):
                enqueue("lab.light", {"n": 2}, idempotency_key=key)

    def test_counts_for_one_kind_only(self, enqueue: Enqueue) -> None:
        assert enqueue("lab.light", {"n": 1}, idempotency_key="k").is_new
        assert enqueue("lab.echo", {"n": 1}, idempotency_key="k").is_new

    @pytest.mark.parametrize("key", ["", " ", " k", "k ", "k" * 256])
    def test_is_never_blank_or_boundless(self, enqueue: Enqueue, key: str) -> None:
        with pytest.raises(KeyInvalid):
            enqueue(idempotency_key=key)

        assert not Work.objects.exists()


class TestComplete:
    def test_counts_with_the_transaction_of_the_caller(self, enqueue: Enqueue) -> None:
        claim = take(enqueue())
        with transaction.atomic():
            queue.complete(claim, {"ok": True})
            transaction.set_rollback(True)

        assert row(claim).status == "leased"
        assert journal(claim) == []

    def test_refuses_a_stale_claim(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        stale = take(ref, "slow")
        let_time_pass(ref, seconds=60)
        leases.expire(limit=10)
        fresh = take(ref, "quick")

        with pytest.raises(ClaimLost) as refusal, transaction.atomic():
            queue.complete(stale, "stale")

        assert str(refusal.value) == f"Fence 1 of work {ref.id} is not the current one."
        with transaction.atomic():
            queue.complete(fresh, "fresh")
        assert row(ref).result == '"fresh"'
        assert journal(ref) == [(1, 1, "crashed"), (2, 3, "done")]

    def test_at_the_first_claim_is_on_record_in_the_work_alone(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        with transaction.atomic():
            queue.complete(take(ref, "quick"), None)

        assert not Attempt.objects.exists()
        [shown], work = selectors.latest_attempts(ref.id), row(ref)
        assert (shown.attempt, shown.fence, shown.outcome, shown.worker) == (1, 1, "done", "quick")
        assert (shown.started_at, shown.ended_at) == (work.claimed_at, work.finished_at)
        assert (shown.error_class, shown.error, shown.stack) == ("", "", "")

    def test_is_shown_once_where_a_release_before_wrote_it_down(self, enqueue: Enqueue) -> None:
        ref, other = enqueue(), enqueue()
        leases.complete_many([(take(ref), None), (take(other), None)])
        shown = list(selectors.attempts_of(ref.id).values())

        with connection.cursor() as cursor:
            cursor.execute(WRITE_DOWN.partition(";")[0])

        assert Attempt.objects.count() == EveryAttempt.objects.count() == 2
        [written] = selectors.attempts_of(ref.id).values()
        assert written["id"] > 0
        assert [{**written, "id": 0}] == shown

    def test_refuses_what_was_cancelled_meanwhile(self, enqueue: Enqueue) -> None:
        claim = take(enqueue())
        with transaction.atomic():
            assert queue.cancel(claim.id, reason="mistake") is State.LEASED

        with pytest.raises(CancelRequested), transaction.atomic():
            queue.complete(claim)

        assert row(claim).status == "leased"

    def test_refuses_to_be_outside_a_transaction(self, enqueue: Enqueue) -> None:
        with pytest.raises(OutsideTransaction):
            queue.complete(take(enqueue()))


class TestCancel:
    def test_stops_waiting_work_at_once(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        with transaction.atomic():
            assert queue.cancel(ref.id, reason="mistake") is State.CANCELLED

        assert row(ref).reason == "mistake"
        assert leases.claim([ref.id], worker="w", kinds=registry.names()) == []
        [event] = stream_events(("job", str(ref.id)))
        assert (event.name, event.data["isRunning"]) == ("job.cancelled", False)

    def test_refuses_what_is_over(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        leases.complete_many([(take(ref), None)])

        with pytest.raises(NotPossible) as refusal, transaction.atomic():
            queue.cancel(ref.id, reason="too late")

        assert str(refusal.value) == (
            f"Work {ref.id} is done; "
            "cancel is possible while leased or ready or retry or scheduled."
        )
        assert list(stream_events(("job", str(ref.id)))) == []

    def test_knows_no_other_work(self, enqueue: Enqueue) -> None:
        with pytest.raises(WorkNotFound), transaction.atomic():
            queue.cancel(Item(input=1).id, reason="")


class TestClaimNext:
    def test_takes_the_most_urgent_first_of_whatever_kind(self, enqueue: Enqueue) -> None:
        old, urgent = enqueue(), enqueue(priority=5)
        most_urgent = enqueue("lab.fails", {"how": "error"}, priority=9)
        for ref, seconds in ((old, 100), (urgent, 50), (most_urgent, 10)):
            let_time_pass(ref, seconds=seconds)

        kinds = ["lab.echo", "lab.fails"]
        taken = [leases.claim_next(worker="w", kinds=kinds)[0].id for _ in range(3)]

        assert taken == [most_urgent.id, urgent.id, old.id]


class TestHeartbeat:
    def test_of_a_stale_claim_prolongs_nothing(self, enqueue: Enqueue) -> None:
        ref = enqueue()
        stale = take(ref, "slow")
        let_time_pass(ref, seconds=60)
        leases.expire(limit=10)
        fresh = take(ref, "quick")
        let_time_pass(ref, seconds=5)
        before = row(ref).lease_until

        leases.heartbeat([stale])
        assert (stale.watch.lost, row(ref).lease_until) == (True, before)

        leases.heartbeat([fresh])
        assert (fresh.watch.lost, row(ref).lease_until == before) == (False, False)


class TestDeadLetters:
    @pytest.fixture
    def letter(self, enqueue: Enqueue) -> WorkRef:
        from workflows.work import runner  # noqa: PLC0415

        ref = enqueue("lab.fails", {"how": "permanent"})
        runner.take([ref.id], worker="w")
        assert row(ref).status == "dead"
        return ref

    def test_are_taken_up_with_a_new_budget_and_the_same_token(self, letter: WorkRef) -> None:
        with transaction.atomic():
            assert queue.re_drive(letter.id, reason="fixed") is State.READY

        claim = take(letter)
        assert claim.token == letter.token
        assert (claim.attempt, claim.fence, claim.budget.failures) == (2, 2, 0)
        assert journal(letter) == [(1, 1, "failed")]

    def test_are_put_away_for_a_reason(self, letter: WorkRef) -> None:
        with pytest.raises(ReasonMissing), transaction.atomic():
            queue.discard(letter.id, reason="  ")
        assert row(letter).status == "dead"

        with transaction.atomic():
            assert queue.discard(letter.id, reason="known") is State.DISCARDED

        assert row(letter).reason == "known"

    def test_only(self, enqueue: Enqueue) -> None:
        with (
            pytest.raises(NotPossible, match="; retry is possible while dead or"),
            transaction.atomic(),
        ):
            queue.re_drive(enqueue().id)
        with pytest.raises(NotPossible), transaction.atomic():
            queue.discard(enqueue().id, reason="no")

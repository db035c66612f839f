import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from events import context
from events.domain.context import EventContext
from events.domain.principal import Principal, PrincipalKind
from events.selectors import stream_events
from tests.integration.workflows.work.conftest import (
    Enqueue,
    journal,
    let_time_pass,
    row,
    short_lease,
    take,
)
from tests.live import eventually
from workflows.work import documents, leases, queue, registry, runner
from workflows.work.domain.claim import Claim, WorkRef
from workflows.work.domain.retry import RetryPolicy
from workflows.work.registry import WorkKind

pytestmark = pytest.mark.django_db


def run(ref: WorkRef) -> None:
    assert runner.take([ref.id], worker="w") == 1


class TestSuccess:
    def test_keeps_the_result_and_the_attempt(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.echo", {"n": 7})
        run(ref)

        assert (row(ref).status, row(ref).result) == ("done", '{"n":7}')
        [attempt] = row(ref).attempts.all()
        assert (attempt.outcome, attempt.worker, attempt.error) == ("done", "w", "")
        assert attempt.started_at <= attempt.ended_at

    def test_acts_as_whoever_asked_for_it(self, enqueue: Enqueue) -> None:
        seen: list[EventContext] = []
        kind = WorkKind(name="lab.seen", handler=lambda _: seen.append(context.current()))
        registry.register(kind)
        who = Principal(kind=PrincipalKind.API_KEY, id="abc")
        with context.acting(who, correlation_id="cor_1", causation_id="evt_1"):
            ref = enqueue("lab.seen", {})

        run(ref)

        registry.forget("lab.seen")
        assert seen == [EventContext(principal=who, correlation_id="cor_1", causation_id="evt_1")]

    def test_is_done_once_however_often_it_is_rung(self, enqueue: Enqueue, tmp_path: Path) -> None:
        ref = enqueue("lab.effect", {"log": str(tmp_path / "log")})
        for _ in range(3):
            runner.answer([ref.id, ref.id], worker="w", queue="default")

        assert (tmp_path / "log").read_text().count("\n") == 1
        assert journal(ref) == [(1, 1, "done")]


class TestFailure:
    def test_waits_and_tries_again(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.recovers", {"after": 2})
        for _ in range(3):
            run(ref)

        assert (row(ref).status, row(ref).result) == ("done", "3")
        assert journal(ref) == [(1, 1, "failed"), (2, 2, "failed"), (3, 3, "done")]

    def test_backs_off_within_the_jitter(self, enqueue: Enqueue) -> None:
        kind = WorkKind(name="lab.broken", handler=_broken)
        registry.register(kind)
        ref = enqueue("lab.broken", {})
        before = timezone.now()
        run(ref)
        registry.forget("lab.broken")

        after, due_at = timezone.now(), row(ref).due_at
        assert row(ref).status == "retry"
        assert before + timedelta(seconds=4) <= due_at <= after + timedelta(seconds=6)

    def test_ends_among_the_dead_letters_and_says_so(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.fails", {"how": "error"}, subject="invoice/9")
        for _ in range(3):
            run(ref)

        assert (row(ref).status, row(ref).failures) == ("dead", 3)
        [event] = stream_events(("job", str(ref.id)))
        assert event.name == "job.dead_lettered"
        assert event.data == {
            "jobId": str(ref.id),
            "kind": "lab.fails",
            "subject": "invoice/9",
            "attempts": 3,
            "outcome": "failed",
            "errorClass": "RuntimeError",
            "error": "password=[redacted] is wrong",
        }

    def test_keeps_no_secret(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.fails", {"how": "error"})
        run(ref)

        [attempt] = row(ref).attempts.all()
        assert attempt.error == row(ref).last_error == "password=[redacted] is wrong"
        assert "hunter2" not in attempt.stack
        assert "in fails" in attempt.stack

    def test_is_tried_again_at_times_that_differ(self, enqueue: Enqueue) -> None:
        claim = take(enqueue("lab.fails", {"how": "error"}))
        policy = RetryPolicy(base_s=100, cap_s=100, jitter=0.2)
        kind = replace(registry.get("lab.fails"), retry=policy)

        delays = {runner._failed(kind, claim, RuntimeError()).delay_s for _ in range(20)}

        assert len(delays) > 1
        assert all(80 <= delay <= 120 for delay in delays)

    @pytest.mark.parametrize("how", ["permanent", "declared", "rejected"])
    def test_does_not_repeat_what_cannot_help(self, enqueue: Enqueue, how: str) -> None:
        ref = enqueue("lab.fails", {"how": how})
        run(ref)

        assert (row(ref).status, row(ref).attempt) == ("dead", 1)

    def test_is_what_a_result_is_that_is_no_json(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.odd", {})
        run(ref)

        assert (row(ref).status, row(ref).last_error_class) == ("dead", "NotJson")

    def test_is_what_a_result_is_that_is_too_large(self, enqueue: Enqueue) -> None:
        fits, is_too_large = (
            enqueue("lab.odd", {"chars": documents.BYTES_MAX - 2 + more}) for more in (0, 1)
        )
        run(fits)
        run(is_too_large)

        assert row(fits).status == "done"
        assert row(is_too_large).status == "dead"
        assert row(is_too_large).last_error_class == "DocumentTooLarge"


class TestSnooze:
    def test_asks_again_later_and_costs_no_budget(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.fails", {"how": "snooze", "after_s": 60})
        run(ref)

        assert (row(ref).status, row(ref).failures) == ("scheduled", 0)
        assert row(ref).due_at > timezone.now() + timedelta(seconds=50)
        assert journal(ref) == [(1, 1, "snoozed")]


class TestCompletionByTheHandler:
    def test_commits_with_its_writes(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.writes", {})
        run(ref)

        assert Group.objects.filter(name=ref.token).exists()
        assert row(ref).result == f'{{"group":"{ref.token}"}}'
        assert journal(ref) == [(1, 1, "done")]

    def test_is_undone_with_them(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.writes", {"fails_before_commit": True})
        run(ref)

        assert not Group.objects.exists()
        assert row(ref).status == "retry"
        assert journal(ref) == [(1, 1, "failed")]

    @pytest.mark.django_db(transaction=True)
    def test_stays_when_something_fails_after_it(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.writes", {"fails_after_commit": True})
        run(ref)

        assert (row(ref).status, journal(ref)) == ("done", [(1, 1, "done")])

    def test_of_a_stale_attempt_leaves_nothing(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.writes", {})
        stale = take(ref, "slow")
        let_time_pass(ref, seconds=60)
        leases.expire(limit=10)
        run(ref)

        runner.run([stale])

        assert Group.objects.count() == 1
        assert journal(ref) == [(1, 1, "crashed"), (2, 3, "done"), (1, 1, "stale")]


class TestStaleAttempt:
    def test_is_recorded_and_changes_nothing(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.echo", {"n": 1})
        stale = take(ref, "slow")
        let_time_pass(ref, seconds=60)
        leases.expire(limit=10)
        before = row(ref)

        runner.run([stale])

        assert vars_of(row(ref)) == vars_of(before)
        assert journal(ref) == [(1, 1, "crashed"), (1, 1, "stale")]

    def test_that_fails_takes_nothing_from_who_has_it_now(self, enqueue: Enqueue) -> None:
        ref = enqueue("lab.fails", {"how": "error"})
        stale = take(ref, "slow")
        let_time_pass(ref, seconds=60)
        leases.expire(limit=10)
        take(ref, "quick")
        before = row(ref)

        runner.run([stale])

        assert vars_of(row(ref)) == vars_of(before)
        assert journal(ref) == [(1, 1, "crashed"), (1, 1, "stale")]


class TestCancellation:
    def test_refuses_late_completion(self, enqueue: Enqueue) -> None:
        claim = take(enqueue("lab.echo", {"n": 1}))
        with transaction.atomic():
            queue.cancel(claim.id, reason="mistake")

        runner.run([claim])

        assert (row(claim).status, row(claim).result) == ("cancelled", None)
        assert journal(claim) == [(1, 1, "cancelled")]

    def test_wins_over_an_error(self, enqueue: Enqueue) -> None:
        claim = take(enqueue("lab.fails", {"how": "error"}))
        with transaction.atomic():
            queue.cancel(claim.id, reason="mistake")

        runner.run([claim])

        assert (row(claim).status, row(claim).failures) == ("cancelled", 1)

    @pytest.mark.django_db(transaction=True)
    def test_reaches_a_running_handler_by_its_heartbeat(
        self, enqueue: Enqueue, tmp_path: Path
    ) -> None:
        started = tmp_path / "started"
        ref = enqueue("lab.polite", {"started": str(started)})
        with short_lease(0.15):
            watcher = threading.Thread(target=_cancel_when, args=(started, ref))
            watcher.start()
            run(ref)
            watcher.join()

        assert (row(ref).status, row(ref).reason) == ("cancelled", "enough")
        assert journal(ref) == [(1, 1, "cancelled")]


@pytest.mark.django_db(transaction=True)
class TestHeartbeat:
    def test_keeps_a_long_attempt_alive(self, enqueue: Enqueue) -> None:
        seen = set()

        def is_renewed_twice(claim: Claim) -> bool:
            seen.add(row(claim).lease_until)
            return len(seen) > 2

        def work(claim: Claim) -> None:
            eventually(lambda: is_renewed_twice(claim))

        registry.register(WorkKind(name="lab.long", handler=work, timeout_s=60))
        claim = take(enqueue("lab.long", {}))
        with short_lease(0.1):
            runner.run([claim])
        registry.forget("lab.long")

        assert journal(claim) == [(1, 1, "done")]


class TestUnknownKind:
    def test_is_put_off_and_not_failed(self, enqueue: Enqueue) -> None:
        registry.register(WorkKind(name="lab.newer", handler=_broken))
        ref = enqueue("lab.newer", {})
        registry.forget("lab.newer")

        before = timezone.now()

        assert runner.take([ref.id], worker="old release") == 0

        after, due_at = timezone.now(), row(ref).due_at
        assert (row(ref).status, row(ref).attempt) == ("scheduled", 0)
        assert before + timedelta(seconds=5) <= due_at <= after + timedelta(seconds=15)


class TestLightBatch:
    def test_shares_a_claim_and_a_completion(
        self, enqueue: Enqueue, django_assert_num_queries: Any
    ) -> None:
        refs = [enqueue("lab.light", {"n": n}) for n in range(20)]

        with django_assert_num_queries(2):
            assert runner.work_off(worker="w", kinds=["lab.light"]) == 20

        assert {row(ref).result for ref in refs} == {str(n) for n in range(20)}

    def test_lets_one_fail_alone(self, enqueue: Enqueue) -> None:
        good, bad = enqueue("lab.light", {"n": 1}), enqueue("lab.light", {"fails": True})
        runner.work_off(worker="w", kinds=["lab.light"])

        assert (row(good).status, row(bad).status) == ("done", "retry")


class TestOneByOne:
    def test_takes_two_statements_a_job(
        self, enqueue: Enqueue, django_assert_num_queries: Any
    ) -> None:
        enqueue("lab.echo", {"n": 1})

        with django_assert_num_queries(2):
            assert runner.work_off(worker="w", kinds=["lab.echo"]) == 1


class TestGoingOn:
    def test_does_what_is_due_without_a_bell(self, enqueue: Enqueue) -> None:
        rung, quiet = enqueue(), enqueue()

        assert runner.answer([rung.id], worker="w", queue="default") == 2
        assert row(quiet).status == "done"

    def test_is_bounded(self, enqueue: Enqueue, settings: Any) -> None:
        settings.WORK_GO_ON_MAX = 3
        refs = [enqueue() for _ in range(5)]

        assert runner.answer([refs[0].id], worker="w", queue="default") == 3

    def test_keeps_to_its_queue(self, enqueue: Enqueue) -> None:
        enqueue()

        assert runner.answer([], worker="w", queue="elsewhere") == 0


def _broken(_claim: Claim) -> None:
    raise RuntimeError("broken")


def _cancel_when(started: Path, ref: WorkRef) -> None:
    from django.db import connection  # noqa: PLC0415

    while not started.exists():
        threading.Event().wait(0.005)
    with transaction.atomic():
        queue.cancel(ref.id, reason="enough")
    connection.close()


def vars_of(work: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(work).items() if name != "_state"}

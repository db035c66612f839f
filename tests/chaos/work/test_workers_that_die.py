"""kill -9 and SIGSTOP of real workers (F01-F04, F07)."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from tests import worklab
from tests.chaos.work.conftest import (
    LEASE_S,
    START_S,
    Start,
    calls,
    enqueue,
    eventually,
    healthy,
    journal,
    row,
)
from workflows.work import registry
from workflows.work import sweeper as sweeping
from workflows.work.domain.claim import WorkRef

pytestmark = pytest.mark.chaos

SLOW_S = 10
"""What a machine that is busy with other things may take on top; a whole lease of a quiet
day, 15 seconds, would be more."""

assert registry.get("lab.effect").handler is worklab.effect


@contextmanager
def sweeping_and_doing() -> Iterator[None]:
    """Somebody who finds lost work and does it, in a thread of this process."""
    stop = threading.Event()

    def sweep() -> None:
        sweeping.run_forever(stop, execute=True)
        connection.close()

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def is_done(ref: WorkRef) -> bool:
    return row(ref).status == "done"


class TestKilledBeforeTheEffect:
    def test_another_does_it_within_the_lease(self, worker: Start, log: Path) -> None:
        first = worker(FAILPOINTS="step.before_call:kill")
        ref = enqueue("lab.effect", {"log": str(log)})
        assert first.wait(timeout=START_S) == -signal.SIGKILL
        died_at = timezone.now()
        assert (row(ref).status, calls(log)) == ("leased", [])

        with sweeping_and_doing():
            eventually(lambda: is_done(ref))

        assert journal(ref) == [(1, "crashed"), (2, "done")]
        assert calls(log) == [(ref.token, 2)]
        second = row(ref).attempts.get(attempt=2)
        assert (second.started_at - died_at).total_seconds() < LEASE_S + SLOW_S
        assert healthy()


class TestKilledAfterTheEffect:
    def test_another_repeats_the_call_with_the_same_token(self, worker: Start, log: Path) -> None:
        first = worker(FAILPOINTS="step.after_call:kill")
        ref = enqueue("lab.effect", {"log": str(log)})
        assert first.wait(timeout=START_S) == -signal.SIGKILL
        assert calls(log) == [(ref.token, 1)]

        with sweeping_and_doing():
            eventually(lambda: is_done(ref))

        assert calls(log) == [(ref.token, 1), (ref.token, 2)]
        assert journal(ref) == [(1, "crashed"), (2, "done")]
        assert healthy()


class TestKilledAfterTheCommit:
    def test_nobody_does_it_again(self, worker: Start, log: Path) -> None:
        first = worker(FAILPOINTS="step.after_commit:kill")
        ref = enqueue("lab.effect", {"log": str(log)})
        assert first.wait(timeout=START_S) == -signal.SIGKILL

        with sweeping_and_doing():
            after = enqueue("lab.effect", {"log": str(log)})
            eventually(lambda: is_done(after))

        assert journal(ref) == [(1, "done")]
        assert calls(log).count((ref.token, 1)) == 1
        assert healthy()


class TestWithoutASweeper:
    def test_lost_work_is_stuck_although_a_worker_is_there(self, worker: Start, log: Path) -> None:
        """Negative control: a worker alone does not find it, a sweeper does."""
        first = worker(FAILPOINTS="step.claimed:kill")
        lost = enqueue("lab.effect", {"log": str(log)})
        assert first.wait(timeout=START_S) == -signal.SIGKILL
        worker()
        other = enqueue("lab.effect", {"log": str(log)})
        eventually(lambda: is_done(other))
        eventually(lambda: (row(lost).lease_until or timezone.now()) < timezone.now())

        late = enqueue("lab.effect", {"log": str(log)})
        eventually(lambda: is_done(late))
        assert row(lost).status == "leased"

        with sweeping_and_doing():
            eventually(lambda: is_done(lost))


class TestWorkThatKillsItsWorkers:
    def test_is_poisoned_when_the_crash_budget_is_spent(self, sweeper: Start, log: Path) -> None:
        ref = enqueue("lab.effect", {"log": str(log)})
        for _ in range(2):
            killer = sweeper("--execute", FAILPOINTS="step.after_call:kill")
            assert killer.wait(timeout=START_S) == -signal.SIGKILL

        with sweeping_and_doing():
            eventually(lambda: row(ref).status == "poisoned")

        assert journal(ref) == [(1, "crashed"), (2, "crashed")]
        assert (row(ref).failures, len(calls(log))) == (0, 2)
        assert healthy()


class TestAZombie:
    def test_that_wakes_after_its_lease_changes_nothing(
        self, worker: Start, log: Path, tmp_path: Path
    ) -> None:
        zombie, until = worker(), tmp_path / "until"
        ref = enqueue("lab.effect", {"log": str(log), "until": str(until)})
        eventually(lambda: len(calls(log)) == 1)
        os.kill(zombie.pid, signal.SIGSTOP)
        until.touch()

        with sweeping_and_doing():
            eventually(lambda: is_done(ref))
        before = row(ref).finished_at
        os.kill(zombie.pid, signal.SIGCONT)
        eventually(lambda: len(journal(ref)) == 3)

        assert journal(ref) == [(1, "crashed"), (2, "done"), (1, "stale")]
        assert row(ref).finished_at == before
        assert {token for token, _ in calls(log)} == {ref.token}
        assert healthy()

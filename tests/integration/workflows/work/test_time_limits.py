"""The time limit of an attempt, and what its handler makes of being interrupted."""

import threading
from contextlib import suppress

import pytest
from django.db import connection, transaction

from tests.integration.workflows.work.conftest import Enqueue, journal, row
from tests.live import eventually
from workflows.work import heartbeat, queue, registry, runner
from workflows.work.domain.claim import Claim, PermanentFailure, WorkRef
from workflows.work.registry import WorkKind

pytestmark = pytest.mark.django_db(transaction=True)


def run(ref: WorkRef) -> None:
    assert runner.take([ref.id], worker="w") == 1


class TestTimeout:
    def test_interrupts_the_handler(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Or a process that stands still for a second finds both to be due: see the next test.
        monkeypatch.setattr(heartbeat, "GRACE_S", 60)
        ref = enqueue("lab.hangs", {})
        run(ref)

        assert (row(ref).status, row(ref).last_error_class) == ("retry", "AttemptTimedOut")
        assert journal(ref) == [(1, 1, "timed_out")]

    @pytest.mark.parametrize("becomes", [None, RuntimeError("late"), PermanentFailure("late")])
    def test_counts_also_when_the_handler_catches_it(
        self, becomes: Exception | None, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def swallow(_claim: Claim) -> str:
            with suppress(Exception):
                eventually(lambda: False)
            if becomes is not None:
                raise becomes
            return "done"

        monkeypatch.setattr(heartbeat, "GRACE_S", 60)
        registry.register(WorkKind(name="lab.swallows", handler=swallow, timeout_s=0.1))
        ref = enqueue("lab.swallows", {})
        run(ref)
        registry.forget("lab.swallows")

        assert (row(ref).status, row(ref).last_error_class) == ("retry", "AttemptTimedOut")
        assert journal(ref) == [(1, 1, "timed_out")]

    def test_is_not_completed_by_a_handler_that_catches_it(
        self, enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def complete(claim: Claim) -> None:
            with suppress(Exception):
                eventually(lambda: False)
            with transaction.atomic():
                queue.complete(claim)

        monkeypatch.setattr(heartbeat, "GRACE_S", 60)
        registry.register(WorkKind(name="lab.swallows", handler=complete, timeout_s=0.1))
        ref = enqueue("lab.swallows", {})
        run(ref)
        registry.forget("lab.swallows")

        assert journal(ref) == [(1, 1, "timed_out")]

    def test_gives_up_a_handler_that_cannot_be_interrupted(self, enqueue: Enqueue) -> None:
        def hang(_claim: Claim) -> None:
            eventually(lambda: journal(ref) != [])

        registry.register(WorkKind(name="lab.hung", handler=hang, timeout_s=0.2))
        ref = enqueue("lab.hung", {})
        thread = threading.Thread(target=_run_in_thread, args=(ref,))
        thread.start()
        thread.join()
        registry.forget("lab.hung")

        assert journal(ref) == [(1, 1, "timed_out"), (1, 1, "stale")]


def _run_in_thread(ref: WorkRef) -> None:

    run(ref)
    connection.close()

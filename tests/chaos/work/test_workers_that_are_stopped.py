"""SIGTERM to real workers in the middle of a batch."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from config.testing.fork_server import Forked
from tests import worklab
from tests.chaos.work.conftest import START_S, Start, calls, eventually, healthy, journal, row
from workflows.work import queue, registry
from workflows.work.domain.claim import WorkRef
from workflows.work.queue import Item

assert registry.get("lab.light_effect").handler is worklab.light_effect

pytestmark = pytest.mark.chaos


def to_its_main_process(worker: Forked) -> None:
    worker.send_signal(signal.SIGTERM)


def to_all_its_processes(worker: Forked) -> None:
    os.killpg(worker.pid, signal.SIGTERM)


def enqueue(count: int, log: Path) -> list[WorkRef]:
    """Put a batch on the list, whose second piece goes on until its worker is asked to stop."""
    inputs = [{"log": str(log), "is_long": n == 1} for n in range(count)]
    with transaction.atomic():
        return queue.enqueue_many("lab.light_effect", [Item(subject="s", input=i) for i in inputs])


@pytest.mark.parametrize("pool", ["prefork", "solo"])
@pytest.mark.parametrize("tell", [to_its_main_process, to_all_its_processes])
def test_what_is_done_is_on_record_and_what_is_not_begun_given_back(
    tell: Callable[[Forked], None], pool: str, worker: Start, log: Path
) -> None:
    stopped = worker(pool=pool)
    *done, left = enqueue(3, log)
    eventually(lambda: len(calls(log)) == 2)

    tell(stopped)

    stopped.wait(START_S)
    assert [(row(ref).status, journal(ref)) for ref in done] == [("done", [(1, "done")])] * 2
    assert (row(left).status, journal(left)) == ("scheduled", [(1, "snoozed")])
    assert row(left).due_at < row(left).attempts.get().started_at
    assert [token for token, _ in calls(log)] == [ref.token for ref in done]
    assert healthy()

"""A real Celery worker hears the bell of what was committed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.jobs import CHECK, CHECKED
from config.testing import fork_server
from events import selectors
from tests.live import PATIENCE_S, environment_of_the_tests, eventually
from workflows.work import services

WORKER = (
    "celery --app config worker --concurrency 1"
    " --without-gossip --without-mingle --without-heartbeat --loglevel INFO"
)


@pytest.fixture
def _worker(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """A worker on this test's database, until the test ends."""
    log = tmp_path / "worker.log"
    worker = fork_server.start(*WORKER.split(), environment=environment_of_the_tests(), log=log)
    try:
        eventually(lambda: log.exists() and " ready." in log.read_text())
        yield
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@pytest.mark.usefixtures("_worker")
class TestWorker:
    def test_does_the_job_and_puts_it_on_record(self) -> None:
        services.enqueue(CHECK, {"nonce": "n-1"})

        eventually(lambda: bool(selectors.stream_events(("instance", "check"))))

        found = selectors.stream_events(("instance", "check"))
        assert [(event.name, event.data) for event in found] == [(CHECKED, {"nonce": "n-1"})]


def test_a_worker_with_settings_that_the_checks_refuse_ends(tmp_path: Path) -> None:
    environment = environment_of_the_tests() | {"WORK_QUEUES": "lab.none=flows"}
    log = tmp_path / "worker.log"

    worker = fork_server.start(*WORKER.split(), environment=environment, log=log)
    try:
        code = worker.wait(PATIENCE_S)
    finally:
        worker.kill()

    assert code == 1
    assert "(work.E002) WORK_QUEUES routes lab.none" in log.read_text()

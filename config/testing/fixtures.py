"""Fixtures for every test: a database that can be emptied, real workers, a whole Daybook."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from config.embedded.state import State
from config.stack import Stack, temporary_state
from config.testing import template
from config.testing.flush import patch_connections, patch_end, patch_flush

WORKER_READY_SECONDS_MAX = 30


@pytest.fixture(autouse=True, scope="session")
def _transactional_tests_may_flush() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch_flush(patch)
        patch_connections(patch)
        patch_end(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def _static_files_are_looked_for_once() -> Iterator[None]:
    """Let every client of Django's, which makes a handler of its own, share what one found.

    To look for all of them took longer than most requests that tests make.
    """
    from config.static_files import StaticFiles  # noqa: PLC0415 - after the settings are chosen.

    found: dict[str, object] = {}
    look = StaticFiles.add_files_from_finders

    def look_once(self: StaticFiles) -> None:
        if not found:
            look(self)
            found.update(self.files)
        self.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticFiles, "add_files_from_finders", look_once)
        yield


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Return a Daybook that all tests share: hurt it, but leave every part running."""
    with migrated_state() as state:
        running = Stack.start(state, "--no-demo-data")
        yield running
        running.stop()


@pytest.fixture
def start_stack() -> Iterator[Callable[..., Stack]]:
    """Return a function that starts a Daybook of this test's own: `(workers=…, **environment)`."""
    with ExitStack() as cleanup:

        def start(*arguments: str, workers: int = 1, **environment: str) -> Stack:
            state = cleanup.enter_context(migrated_state())
            running = Stack.start(
                state, "--no-demo-data", *arguments, workers=workers, environment=environment
            )
            cleanup.callback(_stop_if_running, running)
            return running

        yield start


@contextmanager
def migrated_state() -> Iterator[State]:
    """Make a state folder whose database an earlier start has migrated, for as long as it takes."""
    with temporary_state() as state:
        state.prepare()
        template.lay_into(state)
        yield state


def _stop_if_running(stack: Stack) -> None:
    if stack.process.poll() is None:
        stack.stop()


@pytest.fixture
def celery_worker_process(
    transactional_db: None, tmp_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a real Celery worker on this test's database, until the test ends."""
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "--app", "config", "worker", "--concurrency", "1"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
    with log.open("wb") as output:
        worker = subprocess.Popen(  # noqa: S603
            command, env=_environment_of_test_database(), stdout=output, stderr=output
        )
    try:
        _wait_for(log, " ready.", worker)
        yield worker
    finally:
        worker.kill()
        worker.wait()


def _environment_of_test_database() -> dict[str, str]:
    from django.conf import settings  # noqa: PLC0415 - after the settings are chosen.
    from django.db import connection  # noqa: PLC0415

    address, _, query = settings.DATABASE_URL.partition("?")
    address = f"{address.rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    return {**os.environ, "DATABASE_URL": f"{address}?{query}"}


def _wait_for(log: Path, text: str, worker: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WORKER_READY_SECONDS_MAX
    while text not in log.read_text():
        if worker.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text())
        time.sleep(0.02)

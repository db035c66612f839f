"""Fixtures for every test: a database that can be emptied, a whole Daybook."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from config.embedded.state import State
from config.processes.stack import Stack
from config.testing import fork_server, template
from config.testing.flush import patch_connections, patch_end, patch_flush
from config.testing.throwaway import temporary_state

# So that a test that kills a worker need not sit out the lease of a quiet day.
SHORT_LEASES = {"WORK_LEASE_S": "3", "WORK_PATIENCE_S": "1"}


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
    from config.web.static_files import StaticFiles  # noqa: PLC0415 - after the settings are chosen.

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
        running = started(state, environment=SHORT_LEASES)
        yield running
        running.stop()


@pytest.fixture
def start_stack() -> Iterator[Callable[..., Stack]]:
    """Return a function that starts a Daybook of this test's own: `(workers=…, **environment)`."""
    with ExitStack() as cleanup:

        def start(*arguments: str, workers: int = 1, **environment: str) -> Stack:
            state = cleanup.enter_context(migrated_state())
            running = started(state, *arguments, workers=workers, environment=environment)
            cleanup.callback(_stop_if_running, running)
            return running

        yield start


def started(state: State, *arguments: str, **options: Any) -> Stack:
    """Start a Daybook without demo data, forked from what has imported it: else as a user would."""
    return Stack.start(state, "--no-demo-data", *arguments, begin=fork_server.start_up, **options)


@contextmanager
def migrated_state() -> Iterator[State]:
    """Make a state folder whose database an earlier start has migrated, for as long as it takes."""
    with temporary_state() as state:
        state.prepare()
        template.install_template(state)
        yield state


def _stop_if_running(stack: Stack) -> None:
    if stack.process.poll() is None:
        stack.stop()

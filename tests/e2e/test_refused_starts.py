"""What `up` cannot start on is said in a line, and nothing is left running."""

from collections.abc import Callable

import pytest

from config.embedded.state import State
from config.processes.stack import Stack, StackFailed
from config.testing.fixtures import started

pytestmark = pytest.mark.e2e


def test_a_newer_database_is_refused_in_a_line_and_nothing_is_left(
    start_stack: Callable[..., Stack],
) -> None:
    newer = start_stack()
    newer.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('work', '9999_x', now())")
    newer.stop()

    with pytest.raises(StackFailed) as refused:
        started(newer.state)

    [line] = str(refused.value).splitlines()
    assert line.startswith("The database could not be prepared: The database has 1 migration")
    assert_is_left(newer.state)


def assert_is_left(state: State) -> None:
    """Assert that nobody runs on it any more."""
    assert not (state.folder / "sockets").exists()
    lock = state.own()
    assert lock is not None
    lock.close()

"""Hold one session where it has its lock, until another is seen to wait for it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from django.db import connection

from events.domain.errors import DomainError
from tests.chaos.load import eventually
from tests.integration.ledger.access.test_stops_at_once import waiting

DONE = "done"


@contextmanager
def held_at(statement: str, act: Callable[[], Any]) -> Iterator[tuple[Future[str], Event]]:
    """Do `act` on another connection up to a statement, and there wait for the event."""
    is_there, may_go_on = Event(), Event()

    def hold(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(statement) and not is_there.is_set():
            is_there.set()
            assert may_go_on.wait(60)
        return execute(sql, *rest)

    def run() -> str:
        with connection.execute_wrapper(hold):
            return ending(act)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run)
        try:
            assert is_there.wait(60)
            yield ended, may_go_on
        finally:
            may_go_on.set()


def ending(act: Callable[[], Any]) -> str:
    """Return how `act` ended on the connection of this thread: "done", or a code."""
    try:
        act()
    except DomainError as refused:
        return refused.code
    else:
        return DONE
    finally:
        connection.close()


def one_waits_for_the_other(
    statement: str, first: Callable[[], Any], second: Callable[[], Any]
) -> tuple[str, str]:
    """Do both, the second while the first has the lock; return how they ended."""
    with ThreadPoolExecutor(1) as pool, held_at(statement, first) as (ended, may_go_on):
        other = pool.submit(ending, second)
        eventually(waiting)
        may_go_on.set()
        return ended.result(60), other.result(60)

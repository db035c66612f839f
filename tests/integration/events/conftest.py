"""The tally is declared for these tests only: docs/events.md shall not know it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

import pytest
from django.db import connection

from events import bus, catalogue, recorder, store
from events.domain.envelope import Category, Source
from events.sourcing import executor
from tests import tally

T = TypeVar("T")
AtOnce = Callable[[int, Callable[[int], Any]], list[Any]]
STREAM = ("tally", "t1")


def somebody_else_adds(number: int) -> None:
    """Write the stream behind the back of this process's cache."""
    drafts = [recorder.draft("tally.added", {"number": number}, default=Category.DOMAIN)]
    store.append(STREAM, drafts, recorder.provenance_now(Source.SERVICE))


@pytest.fixture(autouse=True)
def _a_catalogue_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_types", dict(catalogue._types))
    monkeypatch.setattr(catalogue, "_streams", dict(catalogue._streams))
    monkeypatch.setattr(catalogue, "_clashes", [])
    monkeypatch.setattr(executor, "_aggregates", {})
    tally.declare()


@pytest.fixture
def no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other apps write along with an event is theirs to count."""
    monkeypatch.setattr(bus, "_hooks", [])
    bus._forget_routes()


@pytest.fixture
def tally_table(transactional_db: None) -> Iterator[None]:
    """The table of list rows that `tally.LISTED` projects to."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {tally.TABLE} (tally text PRIMARY KEY, total int)")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {tally.TABLE}")


@pytest.fixture
def at_once() -> Callable[[int, Callable[[int], T]], list[T]]:
    """Call a function from many threads at the same instant."""

    def run(count: int, call: Callable[[int], T]) -> list[T]:
        together = Barrier(count)

        def one(number: int) -> T:
            together.wait()
            try:
                return call(number)
            finally:
                connection.close()

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    return run

"""Reads for live clients: patient while the database is away, and not with what it refuses."""

import psycopg
import pytest
from django.db import OperationalError

from events.fanout import reads


class Database:
    """Fails with one error after the other, then answers."""

    def __init__(self, *errors: type[psycopg.Error]) -> None:
        self.errors = list(errors)
        self.asked = 0

    def read(self) -> str:
        self.asked += 1
        if not self.errors:
            return "read"
        raise OperationalError("no") from self.errors.pop(0)()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "_PAUSE_MIN_S", 0)


async def test_go_on_while_the_database_is_away() -> None:
    database = Database(*[psycopg.OperationalError] * 9, psycopg.errors.QueryCanceled)

    assert await reads.patiently(database.read) == "read"

    assert database.asked == 11


async def test_end_when_the_database_cancels_them_again_and_again() -> None:
    database = Database(*[psycopg.errors.QueryCanceled] * 9)

    with pytest.raises(OperationalError):
        await reads.patiently(database.read)

    assert database.asked == 3


async def test_of_a_follower_end_as_well() -> None:
    database, reader = Database(*[psycopg.errors.QueryCanceled] * 9), reads.SteadyReader()

    with pytest.raises(OperationalError):
        await reader.read(database.read)

    await reader.close()
    assert database.asked == 3

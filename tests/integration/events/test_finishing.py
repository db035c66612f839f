"""The last statements of a transaction and its COMMIT go in one round trip."""

from collections.abc import Iterator
from typing import LiteralString

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg.pq import TransactionStatus

from events import finishing, wire
from events.wire import Statement

pytestmark = pytest.mark.django_db(transaction=True)

KEEP: LiteralString = "INSERT INTO finishing_note (word, after) VALUES (%(word)s, %(after)s)"
LATE: LiteralString = (
    "INSERT INTO finishing_note (word, after) VALUES (%(word)s, 'nothing that is there')"
)


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE finishing_note (word text PRIMARY KEY, after text"
            " REFERENCES finishing_note DEFERRABLE INITIALLY DEFERRED)"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE finishing_note")


def note(word: str, after: str | None = None) -> Statement:
    return KEEP, {"word": word, "after": after}


def kept() -> list[str]:
    return [word for (word,) in wire.run("SELECT word FROM finishing_note ORDER BY word")]


def is_over() -> bool:
    raw = wire.connection().connection
    return bool(raw.pgconn.transaction_status == TransactionStatus.IDLE)


@pytest.mark.parametrize("times", [1, 2], ids=["prepared on the way", "prepared before"])
def test_commits_what_came_before_and_what_comes_last(times: int) -> None:
    states = []
    for number in range(times):
        with transaction.atomic(durable=True):
            wire.run(*note(f"first {number}"))
            transaction.on_commit(lambda: states.append(kept()))
            finishing.commit_with([note(f"second {number}"), note(f"third {number}")])
            assert is_over()
            assert states == states[:number]

    assert len(kept()) == 3 * times
    assert [len(words) for words in states] == [3 * (number + 1) for number in range(times)]


def test_shows_in_the_query_log_what_it_ran() -> None:
    with CaptureQueriesContext(connection) as queries, transaction.atomic(durable=True):
        wire.run(*note("first"))
        finishing.commit_with([note("second")])

    assert [query["sql"] for query in queries] == ["BEGIN", KEEP, KEEP, "COMMIT"]


def test_leaves_the_end_to_the_transaction_if_nothing_was_done_before() -> None:
    with transaction.atomic(durable=True):
        finishing.commit_with([note("only")])
        assert not is_over()

    assert kept() == ["only"]


def keep(*last: Statement) -> None:
    with transaction.atomic(durable=True):
        wire.run(*note("first"))
        finishing.commit_with(last)


def test_keeps_nothing_if_a_statement_fails() -> None:
    with pytest.raises(IntegrityError, match="finishing_note_pkey"):
        keep(note("second"), note("first"), note("third"))

    assert kept() == []


def test_keeps_nothing_if_the_commit_fails() -> None:
    with pytest.raises(IntegrityError, match="foreign key"):
        keep((LATE, {"word": "second"}))

    assert kept() == []


def test_keeps_what_came_before_a_guarded_statement_that_fails() -> None:
    with transaction.atomic(durable=True):
        wire.run(*note("first"))
        with pytest.raises(IntegrityError):
            finishing.commit_with([note("first")], guarded=True)
        finishing.take_back()
        finishing.commit_with([note("second")], guarded=True)

    assert kept() == ["first", "second"]


def test_does_not_end_what_is_not_the_whole_transaction() -> None:
    with transaction.atomic():
        assert finishing.can_commit()
        with transaction.atomic():
            assert not finishing.can_commit()


def test_prepares_anew_what_the_server_forgot_after_a_rollback() -> None:
    keep(note("second"))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM finishing_note")
    with pytest.raises(IntegrityError):
        keep(note("first"))

    keep(note("second"))

    assert kept() == ["first", "second"]


def test_refuses_a_text_that_would_be_cut_and_keeps_nothing() -> None:
    with pytest.raises(DataError, match="NUL"):
        keep(note("sec\0ond"))

    assert kept() == []

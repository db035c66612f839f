"""The short way to PostgreSQL: the same answers and errors as a cursor, and nothing forgotten."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DataError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg.pq import TransactionStatus

from events import wire
from events.domain.envelope import Category

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = datetime(2026, 3, 1, 12, 30, 0, 250, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")


class TakenBack(Exception):
    """Ends a transaction without a trace."""


def test_values_come_back_as_they_were_given() -> None:
    sql = (
        "SELECT %(text)s::text, %(bytes)s::bytea, %(number)s::int, %(flag)s::bool, "
        "%(at)s::timestamptz, %(id)s::uuid, %(texts)s::text[], %(nothing)s::text, %(word)s::text, "
        "%(share)s::float8, 7 %% 4, %(text)s::text"
    )
    given = {
        "text": "50 % of \"it\" \\ 'so'",
        "bytes": b"\0\\x",
        "number": -7,
        "flag": True,
        "at": MOMENT,
        "id": ID,
        "texts": ["a", 'b"\\,{}', ""],
        "nothing": None,
        "word": Category.DOMAIN,
        "share": 0.1,
    }

    [row] = wire.fetch(sql, given)

    plain = {**given, "word": "domain"}
    assert list(row) == [*plain.values(), 3, given["text"]]


def test_a_value_that_it_cannot_write_is_refused() -> None:
    with pytest.raises(TypeError, match=r"complex: use run\(\)"):
        wire.fetch("SELECT %(number)s::text", {"number": 1j})


def test_a_statement_that_the_server_forgot_is_prepared_again() -> None:
    for _ in range(2):
        assert wire.fetch("SELECT %(number)s::int + 1", {"number": 1}) == [(2,)]
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")


def test_an_error_has_the_flavour_of_django_and_harms_no_later_statement() -> None:
    for _ in range(2):
        with pytest.raises(ProgrammingError, match="no_such_table"):
            wire.fetch("SELECT * FROM no_such_table WHERE id = %(id)s", {"id": 1})

    assert wire.fetch("SELECT %(number)s::int", {"number": 1}) == [(1,)]


def test_within_a_transaction_it_belongs_to_it() -> None:
    with transaction.atomic():
        begun = wire.fetch("SELECT pg_current_xact_id()::text || %(x)s::text", {"x": ""})
        again = wire.fetch("SELECT pg_current_xact_id()::text || %(x)s::text", {"x": ""})

    assert begun == again


def test_within_a_transaction_nothing_is_forgotten_after_one_that_was_taken_back() -> None:
    def double() -> list[wire.Row]:
        return wire.fetch("SELECT 2 * %(number)s::int", {"number": 4})

    def ask_and_take_back() -> None:
        with transaction.atomic():
            # So that psycopg has something to forget.
            wire.run("SELECT 1")
            raise TakenBack

    assert double() == [(8,)]
    with pytest.raises(TakenBack):
        ask_and_take_back()
    with transaction.atomic():
        wire.run("SELECT 1")
        assert double() == [(8,)]
        with pytest.raises(TakenBack):
            ask_and_take_back()
        assert double() == [(8,)]


def test_the_first_of_a_transaction_brings_its_begin_along() -> None:
    wire.fetch("SELECT %(number)s::int", {"number": 1})
    trips: list[object] = []
    raw = connection.connection
    wait = raw.wait

    def counted(gen: Any, *args: Any, **kwargs: Any) -> Any:
        trips.append(gen)
        return wait(gen, *args, **kwargs)

    with transaction.atomic():
        raw.wait = counted
        try:
            wire.fetch("SELECT %(number)s::int", {"number": 2})
        finally:
            del raw.wait
        assert raw.info.transaction_status == TransactionStatus.INTRANS

    # That of psycopg's books has nothing to say.
    assert [each.__name__ for each in trips] == ["together"]  # type: ignore[attr-defined]


def test_a_first_statement_that_fails_takes_its_transaction_back() -> None:
    for _ in range(2):
        with pytest.raises(DataError, match="zero"), transaction.atomic():
            wire.fetch("SELECT 1 / %(number)s::int", {"number": 0})

    with transaction.atomic():
        assert wire.fetch("SELECT 1 / %(number)s::int", {"number": 1}) == [(1,)]


def test_what_psycopg_has_to_forget_goes_before_what_is_prepared_anew() -> None:
    def ask_and_take_back() -> None:
        with transaction.atomic():
            wire.run("SELECT 1")
            raise TakenBack

    with pytest.raises(TakenBack):
        ask_and_take_back()
    with transaction.atomic():
        for _ in range(2):
            assert wire.fetch("SELECT 3 * %(number)s::int", {"number": 4}) == [(12,)]
            wire.run("SELECT 1")


def test_a_connection_that_has_answered_is_not_asked_whether_it_is_alive() -> None:
    db: Any = wire.connection()
    db.ensure_connection()
    db.health_check_done = False

    wire.fetch("SELECT %(number)s::int", {"number": 1})

    assert db.health_check_done


def test_a_text_that_would_be_cut_is_refused() -> None:
    with pytest.raises(DataError, match="NUL"):
        wire.fetch("SELECT %(text)s::text", {"text": "a\0b"})


def test_it_is_in_the_query_log() -> None:
    with CaptureQueriesContext(connection) as log:
        wire.fetch("SELECT %(number)s::int", {"number": 1})

    assert [query["sql"] for query in log.captured_queries] == ["SELECT %(number)s::int"]


class TestSeveral:
    def test_are_answered_each_in_one_round_trip(self, monkeypatch: pytest.MonkeyPatch) -> None:
        new: wire.Statement = ("SELECT 5 * %(number)s::int", {"number": 3})
        many: wire.Statement = ("SELECT generate_series(1, %(number)s::int)", {"number": 2})
        nothing: wire.Statement = ("SELECT 1 WHERE %(yes)s::bool", {"yes": False})
        trips: list[object] = []
        wait = psycopg.Connection.wait

        def counted(raw: Any, *args: Any) -> Any:
            trips.append(raw)
            return wait(raw, *args)

        for _ in range(2):  # Once to be prepared, and once more.
            with transaction.atomic():
                wire.fetch("SELECT 1", {})
                monkeypatch.setattr(psycopg.Connection, "wait", counted)
                assert wire.fetch_all([new, many, nothing, new]) == [
                    [(15,)],
                    [(1,), (2,)],
                    [],
                    [(15,)],
                ]
                monkeypatch.undo()

        assert len(trips) == 2

    def test_may_begin_their_transaction(self) -> None:
        known: wire.Statement = ("SELECT %(number)s::int", {"number": 1})
        with transaction.atomic():
            assert wire.fetch_all([known, known]) == [[(1,)], [(1,)]]
            assert wire.connection().connection.info.transaction_status == TransactionStatus.INTRANS

    def test_end_with_the_first_that_fails(self) -> None:
        wire.run("CREATE TEMPORARY TABLE written (number int)")
        write = "INSERT INTO written VALUES (%(number)s::int)"

        with pytest.raises(DataError, match="division by zero"):
            wire.fetch_all(
                [
                    (write, {"number": 1}),
                    ("SELECT 1 / %(n)s::int", {"n": 0}),
                    (write, {"number": 2}),
                ]
            )

        assert wire.fetch("SELECT count(*) FROM written", {}) == [(0,)]

    def test_are_prepared_again_if_the_server_forgot_them(self) -> None:
        known: wire.Statement = ("SELECT %(number)s::int + 2", {"number": 1})
        for _ in range(2):
            assert wire.fetch_all([known, known]) == [[(3,)], [(3,)]]
            with connection.cursor() as cursor:
                cursor.execute("DEALLOCATE ALL")

    def test_are_in_the_query_log_each(self) -> None:
        one: wire.Statement = ("SELECT %(number)s::int", {"number": 1})
        with CaptureQueriesContext(connection) as log:
            wire.fetch_all([one, one])

        assert [query["sql"] for query in log.captured_queries] == [one[0]] * 2


def test_what_follows_a_commit_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def fail() -> None:
        raise RuntimeError("boom")

    wire.after_commit(fail, lambda: done.append(1))
    with transaction.atomic():
        wire.after_commit(fail, lambda: done.append(2))
        assert done == [1]

    assert done == [1, 2]
    assert [record.message for record in caplog.records] == ["What follows a commit failed."] * 2

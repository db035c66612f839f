"""The short way to PostgreSQL: the same answers and errors as a cursor, and nothing forgotten."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from events import wire
from events.domain.envelope import Category

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = datetime(2026, 3, 1, 12, 30, 0, 250, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")


def test_values_come_back_as_they_were_given() -> None:
    sql = (
        "SELECT %(text)s::text, %(number)s::int, %(flag)s::bool, %(at)s::timestamptz, "
        "%(id)s::uuid, %(texts)s::text[], %(nothing)s::text, %(word)s::text, "
        "%(share)s::float8, 7 %% 4, %(text)s::text"
    )
    given = {
        "text": "50 % of \"it\" \\ 'so'",
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


def test_it_is_in_the_query_log() -> None:
    with CaptureQueriesContext(connection) as log:
        wire.fetch("SELECT %(number)s::int", {"number": 1})

    assert [query["sql"] for query in log.captured_queries] == ["SELECT %(number)s::int"]


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

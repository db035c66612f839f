"""The first statement of a transaction, the ORM's too, shares the round trip of BEGIN."""

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import CharField, Func
from django.test.utils import CaptureQueriesContext
from psycopg.pq import TransactionStatus

from events import beginning, finishing, wire

pytestmark = pytest.mark.django_db(transaction=True)

SENT = Func(function="current_query", output_field=CharField())
"""All that the client sent in one message, as the server has it."""


def sent() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_query()")
        (text,) = cursor.fetchone()
    return str(text)


def status() -> TransactionStatus:
    raw = wire.connection().connection
    return TransactionStatus(raw.pgconn.transaction_status)


def test_the_first_statement_brings_begin_along_and_the_others_do_not() -> None:
    with beginning.durable():
        assert status() == TransactionStatus.IDLE
        assert sent() == "BEGIN;SELECT current_query()"
        assert status() == TransactionStatus.INTRANS
        assert sent() == "SELECT current_query()"


def test_what_the_orm_writes_and_reads_is_what_it_is_elsewhere() -> None:
    with beginning.durable():
        made = Group.objects.create(name="first")
    with beginning.durable():
        [found] = Group.objects.annotate(sent=SENT)

    assert (found.pk, found.name) == (made.pk, "first")
    assert found.sent.startswith('BEGIN;SELECT "auth_group"."id"')


def test_a_transaction_of_somebody_else_begins_as_ever() -> None:
    with beginning.durable():
        pass
    with transaction.atomic():
        assert sent() == "SELECT current_query()"


def test_it_is_the_outermost_block_or_none() -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError, match="durable"), beginning.durable():
            pass
        assert sent() == "SELECT current_query()"


def test_after_it_every_statement_commits_by_itself_again() -> None:
    with beginning.durable():
        assert not connection.get_autocommit()
        Group.objects.create(name="first")
    with beginning.durable():
        Group.objects.create(name="taken back")
        transaction.set_rollback(True)

    assert connection.get_autocommit()
    assert not connection.in_atomic_block
    assert status() == TransactionStatus.IDLE
    assert sent() == "SELECT current_query()"
    assert status() == TransactionStatus.IDLE
    assert [group.name for group in Group.objects.all()] == ["first"]


def test_what_follows_a_commit_follows_it_however_that_was_sent() -> None:
    heard: list[object] = []
    with beginning.durable():
        Group.objects.create(name="first")
        transaction.on_commit(lambda: heard.append(connection.in_atomic_block))
        finishing.commit_with([("SELECT 1", {})])
        assert heard == []
    with beginning.durable():
        transaction.on_commit(lambda: heard.append("nothing was begun"))

    assert heard == [False, "nothing was begun"]
    assert [group.name for group in Group.objects.all()] == ["first"]
    assert status() == TransactionStatus.IDLE
    assert connection.get_autocommit()


def test_the_log_of_queries_shows_its_ends() -> None:
    with CaptureQueriesContext(connection) as log, beginning.durable():
        sent()

    assert [query["sql"].strip() for query in log.captured_queries] == [
        "BEGIN",
        "SELECT current_query()",
        "COMMIT",
    ]


def test_nothing_is_kept_of_a_transaction_whose_first_statement_fails() -> None:
    Group.objects.create(name="taken")

    with beginning.durable():
        with pytest.raises(IntegrityError, match="auth_group_name_key"):
            Group.objects.create(name="taken")
        assert status() == TransactionStatus.INERROR
        transaction.set_rollback(True)

    assert status() == TransactionStatus.IDLE
    assert [group.name for group in Group.objects.all()] == ["taken"]


def test_nor_where_it_cannot_even_be_read() -> None:
    with (
        pytest.raises(ProgrammingError, match="syntax error"),
        beginning.durable(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELEKT 1")

    assert status() == TransactionStatus.IDLE


def test_a_savepoint_may_come_first() -> None:
    with beginning.durable():
        with transaction.atomic():
            Group.objects.create(name="taken back")
            transaction.set_rollback(True)
        Group.objects.create(name="once")

    assert [group.name for group in Group.objects.all()] == ["once"]


def test_many_rows_at_once_and_a_cursor_of_the_server_begin_by_themselves() -> None:
    with beginning.durable(), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO auth_group (name) VALUES (%s)", [["a"], ["b"]])
    with beginning.durable():
        names = [group.name for group in Group.objects.order_by("name").iterator()]

    assert names == ["a", "b"]

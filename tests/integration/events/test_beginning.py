"""The first statement of a transaction, the ORM's too, shares the round trip of BEGIN."""

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import CharField, Func
from psycopg.pq import TransactionStatus

from events import beginning, wire

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
    with transaction.atomic(durable=True), beginning.joined():
        assert status() == TransactionStatus.IDLE
        assert sent() == "BEGIN;SELECT current_query()"
        assert status() == TransactionStatus.INTRANS
        assert sent() == "SELECT current_query()"


def test_what_the_orm_writes_and_reads_is_what_it_is_elsewhere() -> None:
    with transaction.atomic(durable=True), beginning.joined():
        made = Group.objects.create(name="first")
    with transaction.atomic(durable=True), beginning.joined():
        [found] = Group.objects.annotate(sent=SENT)

    assert (found.pk, found.name) == (made.pk, "first")
    assert found.sent.startswith('BEGIN;SELECT "auth_group"."id"')


def test_a_transaction_of_somebody_else_begins_as_ever() -> None:
    with transaction.atomic(durable=True), beginning.joined():
        pass
    with transaction.atomic():
        assert sent() == "SELECT current_query()"


def test_within_a_transaction_nothing_is_begun() -> None:
    with transaction.atomic():
        sent()
        with transaction.atomic(), beginning.joined():
            assert sent() == "SELECT current_query()"


def test_nothing_is_kept_of_a_transaction_whose_first_statement_fails() -> None:
    Group.objects.create(name="taken")

    with transaction.atomic(durable=True), beginning.joined():
        with pytest.raises(IntegrityError, match="auth_group_name_key"):
            Group.objects.create(name="taken")
        assert status() == TransactionStatus.INERROR
        transaction.set_rollback(True)

    assert status() == TransactionStatus.IDLE
    assert [group.name for group in Group.objects.all()] == ["taken"]


def test_nor_where_it_cannot_even_be_read() -> None:
    with (
        pytest.raises(ProgrammingError, match="syntax error"),
        transaction.atomic(durable=True),
        beginning.joined(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELEKT 1")

    assert status() == TransactionStatus.IDLE


def test_a_savepoint_may_come_first() -> None:
    with transaction.atomic(durable=True), beginning.joined():
        with transaction.atomic():
            Group.objects.create(name="taken back")
            transaction.set_rollback(True)
        Group.objects.create(name="once")

    assert [group.name for group in Group.objects.all()] == ["once"]


def test_many_rows_at_once_and_a_cursor_of_the_server_begin_by_themselves() -> None:
    with transaction.atomic(durable=True), beginning.joined(), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO auth_group (name) VALUES (%s)", [["a"], ["b"]])
    with transaction.atomic(durable=True), beginning.joined():
        names = [group.name for group in Group.objects.order_by("name").iterator()]

    assert names == ["a", "b"]

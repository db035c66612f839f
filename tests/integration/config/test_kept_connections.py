"""A connection that stays for the next test says nothing of the one before."""

import pytest
from django.db import OperationalError, connection, transaction

from config.testing.flush import is_as_new

OWN_ADVISORY_LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
)

pytestmark = pytest.mark.django_db(transaction=True)


def asked(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_its_session_is_as_at_the_beginning() -> None:
    was = [asked(f"SHOW {name}") for name in ("timezone", "lock_timeout", "role")]
    with connection.cursor() as cursor:
        cursor.execute("SET timezone = 'Asia/Tokyo'; SET lock_timeout = 7; SET ROLE daybook")
        cursor.execute("LISTEN bell; SELECT pg_advisory_lock(1); CREATE TEMP TABLE mine ()")

    assert is_as_new(connection)

    assert [asked(f"SHOW {name}") for name in ("timezone", "lock_timeout", "role")] == was
    assert asked("SELECT count(*) FROM pg_listening_channels()") == 0
    assert asked(OWN_ADVISORY_LOCKS) == 0
    assert asked("SELECT to_regclass('mine')") is None


def test_it_is_not_kept_within_a_transaction() -> None:
    with transaction.atomic():
        assert not is_as_new(connection)


def test_it_is_not_kept_when_it_was_cut() -> None:
    with pytest.raises(OperationalError):
        asked("SELECT pg_terminate_backend(pg_backend_pid())")

    assert not is_as_new(connection)

"""A worker keeps its connection from task to task, and finds out when it was lost."""

from typing import Any

import psycopg
import pytest
from celery.fixups import django as of_celery
from django.db import connection

from config import celery_context
from config.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def between_tasks() -> None:
    """Do what Celery and we do after one task and before the next."""
    fixup = of_celery.DjangoWorkerFixup(app)  # type: ignore[attr-defined]  # Its stubs lack it.
    fixup.close_database()
    fixup.close_database()
    celery_context._renew_connections()


class TestConnection:
    def test_outlives_a_task(self) -> None:
        first = backend()

        between_tasks()

        assert backend() == first

    def test_is_not_asked_whether_it_is_alive(self) -> None:
        first = backend()

        between_tasks()

        with psycopg.connect(**_address(), autocommit=True) as other:
            asked = "SELECT query FROM pg_stat_activity WHERE pid = %s"
            assert other.execute(asked, [first]).fetchone() == ("SELECT pg_backend_pid()",)

    def test_that_was_lost_meanwhile_is_made_anew(self) -> None:
        first = backend()
        with psycopg.connect(**_address(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [first])

        between_tasks()

        assert backend() != first

    def test_that_is_too_old_is_made_anew(self) -> None:
        first = backend()
        connection.close_at = 0.0

        between_tasks()

        assert backend() != first


def _address() -> dict[str, Any]:
    known = connection.get_connection_params()
    return {
        name: known[name]
        for name in ("host", "port", "dbname", "user", "password")
        if name in known
    }

"""Servers of outside that Daybook cannot use, and what is said of them."""

import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from config.bootstrap import ROOT
from config.processes.given_servers import (
    READ_ONLY,
    ServerUnfit,
    demand_broker,
    demand_database,
    written_to,
)
from tests.live import environment_of_the_tests

pytestmark = pytest.mark.django_db


def connected_to(**settings: object) -> BaseDatabaseWrapper:
    other = connection.copy()
    other.settings_dict = {**other.settings_dict, **settings}
    return other


@pytest.fixture
def of_few_letters() -> Iterator[str]:
    """Return a database that can be reached, and does not know every letter."""
    name = f"latin_{uuid4().hex[:8]}"
    parameters = {**connection.get_connection_params(), "dbname": "postgres"}
    reachable = {key: parameters[key] for key in ("host", "user", "dbname") if key in parameters}
    with psycopg.connect(**reachable, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        yield name
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestDatabase:
    def test_of_ours_will_do(self) -> None:
        demand_database()

        assert connection.is_usable()

    def test_that_is_not_there_is_told_in_a_line(self) -> None:
        with pytest.raises(ServerUnfit, match=r"^The database cannot be used: .*/nowhere.*$"):
            demand_database(connected_to(HOST="/nowhere"))

    def test_that_has_few_letters_is_refused(self, of_few_letters: str) -> None:
        other = connected_to(NAME=of_few_letters)
        try:
            with pytest.raises(
                ServerUnfit, match=f"{of_few_letters} is encoded in LATIN1.*ENCODING 'UTF8'"
            ):
                demand_database(other)
        finally:
            other.close()


def _fail_and_fail_to_clean_up(first: psycopg.OperationalError) -> None:
    try:
        try:
            raise first
        except psycopg.Error as error:
            raise OperationalError(str(error)) from error
    finally:
        raise OperationalError("the database system is in recovery mode")


class TestADatabaseThatGivesOut:
    @pytest.mark.parametrize(
        ("first", "says"),
        [
            (psycopg.errors.DiskFull("could not extend file: No space left on device"), "No space"),
            (psycopg.errors.AdminShutdown("terminating connection"), "terminating"),
            (psycopg.OperationalError("server closed the connection\nunexpectedly"), "closed"),
        ],
    )
    def test_is_told_in_a_line_by_what_came_first(
        self, first: psycopg.OperationalError, says: str
    ) -> None:
        with pytest.raises(ServerUnfit) as refused, written_to():
            _fail_and_fail_to_clean_up(first)

        assert str(refused.value).startswith("The database gave out: ")
        assert says in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1

    def test_is_not_meant_by_a_statement_that_took_too_long(self) -> None:
        with pytest.raises(psycopg.errors.QueryCanceled), written_to():
            raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_takes_no_changes_is_told_in_a_line() -> None:
    environment = environment_of_the_tests()
    url = environment["DATABASE_URL"]
    url += "&" if "?" in url else "?"
    result = subprocess.run(
        [sys.executable, "manage.py", "sweep", "--once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={
            **environment,
            "DATABASE_URL": f"{url}options=-c%20default_transaction_read_only%3Don",
        },
    )

    assert result.stderr == f"{READ_ONLY}\n"
    assert result.returncode == 1


class TestBroker:
    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("redis://:secret@127.0.0.1:1/0", "REDIS_URL names no server that answers: Error 111"),
            ("nonsense", "Redis URL must specify one of the following schemes"),
        ],
    )
    def test_that_does_not_answer_is_told_without_its_password(
        self, url: str, message: str
    ) -> None:
        with pytest.raises(ServerUnfit, match=message) as refused:
            demand_broker(url)

        assert "secret" not in str(refused.value)

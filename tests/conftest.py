"""What every test may rely on."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations

from events import bus, states


@pytest.fixture(scope="session", autouse=True)
def _tables_that_only_grow_may_be_emptied_between_tests() -> Iterator[None]:
    """A test that commits is followed by TRUNCATE, which their triggers refuse."""

    def flush(_self: DatabaseOperations, sql_list: list[str]) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            # Only a superuser may say so, and only ordinary triggers listen.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for sql in sql_list:
                cursor.execute(sql)

    patch = pytest.MonkeyPatch()
    patch.setattr(DatabaseOperations, "execute_sql_flush", flush)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _no_state_survives_a_test() -> None:
    states.forget_all()


@pytest.fixture(autouse=True)
def _no_subscription_survives_a_test() -> Iterator[None]:
    """Subscribers that a test adds to the bus are gone after it; those of the apps stay."""
    registries: list[list[Any]] = [bus._subscriptions, bus._hooks]
    before = [list(registry) for registry in registries]
    yield
    for registry, kept in zip(registries, before, strict=True):
        registry[:] = kept
    bus._forget_routes()

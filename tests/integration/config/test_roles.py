"""The rights of the role that the product runs as."""

import pytest
from django.db import connection

from config import roles
from events.tables import append_only

pytestmark = pytest.mark.django_db

ROLE = "daybook_tests_runtime"


def may(right: str, table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [ROLE, table, right])
        [(answer,)] = cursor.fetchall()
    return bool(answer)


@pytest.fixture(autouse=True)
def _role() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE}")


def test_are_to_add_to_what_is_append_only_and_to_change_the_rest() -> None:
    roles.grant(ROLE)

    assert may("INSERT", "events_event")
    assert not may("UPDATE", "events_event")
    assert not may("DELETE", "events_event")
    assert may("UPDATE", "work")
    assert not may("INSERT", "django_migrations")


def test_are_never_more_although_the_command_is_killed_while_it_grants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(append_only, "tables", killed)

    with pytest.raises(KeyboardInterrupt):
        roles.grant(ROLE)

    assert not may("UPDATE", "events_event")
    assert not may("DELETE", "events_event")

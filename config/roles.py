"""Two database roles: the owner changes tables, the product only uses them.

The runtime role may add to an append-only table and read it, nothing else. The triggers on
those tables say the same, but the owner of a table can switch triggers off: the grants are
what binds a stolen or careless runtime credential.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from config.settings import env
from events.tables import append_only

_OF_THE_OWNER: tuple[LiteralString, ...] = ("work_forget(uuid[])",)


@contextmanager
def as_owner() -> Iterator[None]:
    """Connect as the role that owns the tables, and without the time limits of requests."""
    ours = connection.settings_dict
    owners = env.database(settings.DATABASE_OWNER_URL, session={"lock_timeout": 5_000})
    connection.close()
    # The test runner has put its own database's name into the settings: keep that.
    connection.settings_dict = {**ours, **owners, "NAME": ours["NAME"]}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = ours


def runtime_role() -> str | None:
    """Return the role that the product runs as, or None if it is the owner itself."""
    runtime = str(env.database(settings.DATABASE_URL)["USER"])
    owner = str(env.database(settings.DATABASE_OWNER_URL)["USER"])
    return runtime if runtime != owner else None


def grant(role: str) -> None:
    """Let `role` use every table, but only add to those that are append-only."""
    # At once: between the two it could change what is append-only, for good if we died there.
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
            # Which migrations ran is the owner's business.
            "REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {role}",
        ):
            cursor.execute(sql.SQL(statement).format(role=sql.Identifier(role)))
        for function in _OF_THE_OWNER:
            # Runs with the rights of the owner: each says what it does with them.
            cursor.execute("SELECT to_regprocedure(%s) IS NOT NULL", [function])
            if cursor.fetchone() == (True,):
                cursor.execute(
                    sql.SQL("GRANT EXECUTE ON FUNCTION {function} TO {role}").format(
                        function=sql.SQL(function), role=sql.Identifier(role)
                    )
                )
        # After a migration back to before a table there is none.
        there = set(connection.introspection.table_names(cursor))
        for table in sorted(there.intersection(append_only.tables())):
            cursor.execute(
                sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}").format(
                    table=sql.Identifier(table), role=sql.Identifier(role)
                )
            )

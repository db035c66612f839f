"""A ledger that PostgreSQL cannot write to, for as long as a test looks at what comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def ledger_that_is_full() -> Iterator[None]:
    """Let PostgreSQL refuse every entry, as when its disk is full."""
    _run(
        "CREATE FUNCTION lab_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    _run(
        "CREATE TRIGGER lab_is_full BEFORE INSERT ON ledger_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION lab_is_full()"
    )
    try:
        yield
    finally:
        _run("DROP FUNCTION lab_is_full CASCADE")


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

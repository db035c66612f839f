"""A database of its own for each run, on the server that DATABASE_URL names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import psycopg

NAME = f"daybook_bench_{os.getpid()}"


@contextmanager
def fresh() -> Iterator[str]:
    """Create the database, point Django at it, and drop it at the end."""
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {NAME}")
    os.environ["DATABASE_URL"] = named(server, NAME)
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
    try:
        _migrate()
        yield os.environ["DATABASE_URL"]
    finally:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def named(url: str, name: str) -> str:
    """Return `url` for another database of the same server."""
    head, mark, options = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{mark}{options}"


def parts(url: str) -> dict[str, str]:
    """Return host, port, user, password and database for a peer that wants them apart."""
    split = urlsplit(url)
    host = parse_qs(split.query).get("host", [split.hostname or "localhost"])[0]
    return {
        "host": host,
        "port": str(split.port or 5432),
        "user": split.username or "",
        "password": split.password or "",
        "name": split.path.lstrip("/"),
    }


def _migrate() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)

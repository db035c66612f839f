"""Rows as a restored dump or a superuser could leave them."""

from django.db import connection


def tamper(statement: str) -> None:
    """Change something past every trigger."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET session_replication_role = replica; {statement}")
        cursor.execute("SET session_replication_role = origin")

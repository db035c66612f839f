"""What the doctor looks at of a large table whose ids are UUIDv7: its latest rows, and others.

As `events.samples` does of the log, and for the same reason. The others are drawn anew each time.
"""

import secrets
from typing import Any, LiteralString
from uuid import UUID

from events import samples, wire


def rows_of(table: LiteralString, columns: LiteralString) -> LiteralString:
    """Return the rows for a FROM; the query takes the parameters that `of` draws.

    Whoever reads another table for each of these rows does so in a LATERAL with OFFSET 0, or
    PostgreSQL may read all of that.
    """
    return (
        f"((SELECT {columns} FROM {table} ORDER BY id DESC LIMIT %(sampled_max)s) UNION "  # noqa: S608
        f"(SELECT {columns} FROM {table} WHERE id > %(drawn)s ORDER BY id LIMIT %(sampled_max)s))"
    )


def of(table: LiteralString) -> dict[str, Any]:
    """Draw a place in a table, evenly over the time in which it was filled."""
    ends = wire.run(
        f"(SELECT id FROM {table} ORDER BY id LIMIT 1) UNION ALL "  # noqa: S608
        f"(SELECT id FROM {table} ORDER BY id DESC LIMIT 1)"
    ).fetchall()
    first, last = [each.int for (each,) in ends] or [0, 0]
    # From just before the first on.
    place = max(0, first - 1 + secrets.randbelow(last - first + 1))
    return {"sampled_max": samples.SAMPLED_MAX, "drawn": UUID(int=place)}

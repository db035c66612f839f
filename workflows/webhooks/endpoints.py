"""The circuit breakers: one per origin, shared by all workers, kept by PostgreSQL."""

from datetime import timedelta
from typing import Any

from django.db import connection

from workflows.webhooks.domain import breaker
from workflows.webhooks.models import Endpoint

# Origins in good health have no row: then this finds nothing, by the primary key. The first
# caller after a pause moves its end and is alone with its probe; who loses that race still
# sees the old end, and waits a second.
_ASK = """
WITH probe AS (
  UPDATE webhooks_endpoint SET open_until = now() + %(probe)s
   WHERE origin = %(origin)s AND open_until <= now() RETURNING origin
)
SELECT greatest(open_until - now(), interval '1 second') FROM webhooks_endpoint
 WHERE origin = %(origin)s AND open_until IS NOT NULL AND NOT EXISTS (SELECT FROM probe)
"""

_COUNT = """
INSERT INTO webhooks_endpoint (origin, failures) VALUES (%(origin)s, %(counts)s)
ON CONFLICT (origin) DO UPDATE SET failures = webhooks_endpoint.failures + %(counts)s
RETURNING failures
"""

_OPEN = """
UPDATE webhooks_endpoint SET open_until = greatest(open_until, now() + %(pause)s)
 WHERE origin = %(origin)s
"""


def pause_left(origin: str) -> timedelta | None:
    """Return how long to leave `origin` alone; None lets the caller through.

    When a pause is over one caller gets through, as a probe; the others wait for what it
    reports, or for as long as a probe may take.
    """
    row = _run(_ASK, origin=origin, probe=breaker.PROBE)
    return row[0] if row else None


def worked(origin: str) -> None:
    """Record that `origin` answered like somebody who is well."""
    Endpoint.objects.filter(pk=origin).delete()


def failed(origin: str, *, counts: bool, retry_after: float | None) -> None:
    """Record that `origin` failed (`counts`), or only asked to be left alone for a while."""
    row = _run(_COUNT, origin=origin, counts=int(counts))
    assert row is not None
    pause = breaker.pause(row[0], retry_after=retry_after)
    if pause is not None:
        _run(_OPEN, origin=origin, pause=pause)


def _run(sql: str, **params: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone() if cursor.description else None

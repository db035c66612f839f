"""The invariants of webhooks, for the doctor."""

from typing import Any

from django.db import connection

from events import doctor
from workflows.webhooks import vault
from workflows.work import samples

# A delivery and its work have the same id. Relies on webhooks_pending.
_ORPHANS = """
SELECT d.id FROM webhooks_delivery d
 WHERE d.status = 'pending' AND NOT EXISTS (
       SELECT FROM work w WHERE w.id = d.id
          AND w.status IN ('ready', 'scheduled', 'leased', 'retry', 'dead', 'poisoned'))
 ORDER BY d.id
"""

_DELIVERIES = samples.rows_of("webhooks_delivery", "id, attempts_made")
_MISCOUNTED = f"""
SELECT d.id, d.attempts_made, a.logged FROM {_DELIVERIES} d, LATERAL (
       SELECT count(*) AS logged FROM webhooks_attempt WHERE delivery_id = d.id OFFSET 0) a
 WHERE d.attempts_made <> a.logged LIMIT %(limit)s
"""  # noqa: S608 (names of our own)

_UNSIGNED = """
SELECT s.id FROM webhooks_subscription s
 WHERE s.standing <> 'deleted' AND NOT EXISTS (
       SELECT FROM webhooks_secret k WHERE k.subscription_id = s.id AND k.retires_at IS NULL)
 ORDER BY s.id
"""

_LIVE_SECRETS = """
SELECT k.subscription_id, k.sealed FROM webhooks_secret k
  JOIN webhooks_subscription s ON s.id = k.subscription_id
 WHERE s.standing <> 'deleted' AND (k.retires_at IS NULL OR k.retires_at > now())
 ORDER BY k.subscription_id, k.id
"""


@doctor.check("I11-webhooks", "every pending message has work that will send it")
def every_pending_delivery_has_work() -> list[str]:
    return [f"delivery {id_} has no work" for (id_,) in _rows(_ORPHANS)]


@doctor.check("webhooks-log", "every attempt is in the delivery log (of many: a sample)")
def every_attempt_is_logged() -> list[str]:
    params = {"limit": doctor.VIOLATIONS_SHOWN_MAX, **samples.of("webhooks_delivery")}
    return [
        f"delivery {id_} counts {counted} attempts, its log {logged}"
        for id_, counted, logged in _rows(_MISCOUNTED, params)
    ]


@doctor.check("webhooks-secrets", "every subscription has a signing secret, and it can be opened")
def every_subscription_can_sign() -> list[str]:
    """Return what is broken, as sentences. Without a former SECRET_KEY: what still needs it."""
    found = [f"subscription {id_} has no current secret" for (id_,) in _rows(_UNSIGNED)]
    return found + [
        f"a secret of subscription {id_} opens with neither SECRET_KEY nor its fallbacks"
        for id_, sealed in _rows(_LIVE_SECRETS)
        if not vault.opens(str(sealed))
    ]


def _rows(sql: str, params: dict[str, Any] | None = None) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())

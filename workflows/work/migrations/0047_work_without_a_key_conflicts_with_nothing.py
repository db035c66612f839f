"""What is handed over is put on the list without ON CONFLICT if nothing of it has a key.

As of a step of a flow. PostgreSQL announces each row that may conflict to the others first (a
speculative insertion): a lock, and one more record in its log, also where the key is null. Without
that a step takes it a twentieth fewer instructions.
"""

from typing import Final

from django.db import migrations

from workflows.work.migrations.schema.handing_over import HAND_OVER, HAND_OVER_MANY

_UNLESS_KNOWN: Final = (
    "    ON CONFLICT (kind, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING\n"
)


def _as_before(function: str) -> str:
    return function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def _by_keys(function: str, wanted: str) -> str:
    """Return a function that puts `wanted` on the list, and does so in two ways."""
    head, _, rest = _as_before(function).partition("  RETURN QUERY\n")
    unless_known = rest.removesuffix("END $$\n")
    assert _UNLESS_KNOWN in unless_known
    anew = unless_known.replace(_UNLESS_KNOWN, "")
    return f"""{head}
  -- The name stands in the text at least where something has a key.
  IF strpos({wanted}::text, '"idempotency_key"') > 0 THEN
    RETURN QUERY
{unless_known}  ELSE
    RETURN QUERY
{anew}  END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("work", "0046_what_lost_a_worker_is_taken_alone")]

    operations = [
        migrations.RunSQL(_by_keys(HAND_OVER, "p_wanted"), _as_before(HAND_OVER)),
        migrations.RunSQL(_by_keys(HAND_OVER_MANY, "p_following"), _as_before(HAND_OVER_MANY)),
    ]

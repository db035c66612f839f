"""Every entry is sealed, every seal is valid, and the witnesses agree."""

from django.db import connection
from django.utils import timezone

from events import doctor
from ledger import conf
from ledger.sealing import seals, soundness, witnesses

_WITHOUT_SEAL = """
SELECT e.id FROM ledger_entry e
 WHERE NOT EXISTS (SELECT FROM ledger_sealed s WHERE s.entry_id = e.id)
   AND NOT EXISTS (SELECT FROM ledger_unsealed u WHERE u.entry_id = e.id)
 ORDER BY e.occurred_at, e.id
"""
_NOT_DENSE = """
SELECT coalesce(max(position), 0), count(*) FROM ledger_sealed
"""
_CHECKPOINTS_LOST = """
SELECT coalesce(max(number), 0) - count(*) FROM ledger_checkpoint
"""
# The body is what counts: it must name every payload that hangs on the entry.
_UNNAMED_PAYLOADS = """
SELECT p.id FROM ledger_payload p JOIN ledger_entry e ON e.id = p.entry_id
 WHERE position(p.digest IN convert_from(e.body, 'UTF8')) = 0 ORDER BY p.id
"""


@doctor.check("I13", "every entry is sealed or waits for it; all seals are valid, of events too")
def seals_hold() -> list[str]:
    """Return what is broken, as sentences. Whole exports are for `ledger/verifier.py`."""
    found = [f"entry {id_} is neither sealed nor waits for it" for id_ in _ids(_WITHOUT_SEAL)]
    found += [f"payload {id_} is not named by its entry" for id_ in _ids(_UNNAMED_PAYLOADS)]
    with connection.cursor() as cursor:
        cursor.execute(_NOT_DENSE)
        last, count = cursor.fetchone()
        cursor.execute(_CHECKPOINTS_LOST)
        [lost] = cursor.fetchone()
    if lost:
        found.append(f"{lost} checkpoints are gone from between the others")
    standing = seals.progress(at=timezone.now())
    if not last == count == standing.size:
        found.append(f"{count} positions up to {last}, but the seals cover {standing.size}")
    return found + soundness.faults()


@doctor.check(
    "I13-lag", f"no entry waits more than {conf.SEAL_LAG_S_MAX} s for its seal", is_of_work=True
)
def sealing_keeps_up() -> list[str]:
    """Return what waits too long, as a sentence."""
    standing = seals.progress(at=timezone.now())
    if standing.lag_seconds <= conf.SEAL_LAG_S_MAX:
        return []
    return [f"{standing.waiting} entries wait for {standing.lag_seconds:.0f} s: is it sealed?"]


@doctor.check("I13-witnesses", "no witness has a different history", asks_others=True)
def witnesses_agree() -> list[str]:
    """Return what is broken, as sentences. Witnesses that do not answer are not in it."""
    return witnesses.contradictions()


def _ids(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [str(id_) for (id_,) in cursor.fetchall()]

"""The invariants of the ledger, for the doctor."""

import secrets
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from events import doctor, triggers
from ledger import boundaries, conf, drift
from ledger.models import Payload, Remark, SubjectKey
from ledger.privacy import payloads, remarks, subjects
from ledger.reversing import rebuilding
from ledger.sealing import seals, soundness, witnesses

# The database checks the digest of every row it takes; this finds rows that came past it.
_FORGED = """
SELECT id FROM ledger_entry WHERE digest <> encode(sha256(body), 'hex') ORDER BY occurred_at, id
"""

# What a change adds stands in the row of its entry.
_WITHOUT_DETAIL = """
SELECT e.id FROM ledger_entry e
 WHERE e.action_kind = 'read'
   AND NOT EXISTS (SELECT FROM ledger_disclosure d WHERE d.entry_id = e.id)
 ORDER BY e.occurred_at, e.id
"""


@doctor.check("I12", "every entry is complete, and no accountable table can change without one")
def entries_and_changes_go_together() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGED)
        found = [f"entry {id_} is not what its digest says" for (id_,) in cursor.fetchall()]
        cursor.execute(_WITHOUT_DETAIL)
        found += [f"entry {id_} has no detail" for (id_,) in cursor.fetchall()]
    lost = triggers.lost("ledger_")
    return found + [f"{table}: the trigger {name} sleeps, or is gone" for table, name in lost]


REMARKS_REREAD = 1_000


@doctor.check("I12-remarks", "the reasons and comments of entries match their digests")
def reasons_are_as_given() -> list[str]:
    """Return what is broken, as sentences. The newest are looked at."""
    newest = Remark.objects.filter(erased_at=None).select_related("entry").order_by("-pk")
    faults = (remarks.fault_of(each, body=each.entry.body) for each in newest[:REMARKS_REREAD])
    return [fault for fault in faults if fault is not None]


PAYLOADS_REREAD = 500


@doctor.check("I12-payloads", "the payloads of entries match their digests")
def payloads_are_as_committed() -> list[str]:
    """Return what is broken, as sentences.

    The newest are looked at, and as many from a drawn place on: a doctor that comes every five
    minutes gets round to all of them.
    """
    newest = _payloads().order_by("-pk")[:PAYLOADS_REREAD]
    place = _drawn_place(Payload.objects.all())
    drawn = _payloads().filter(pk__gte=place).order_by("pk")[:PAYLOADS_REREAD]
    looked_at = {each.pk: each for rows in (newest, drawn) for each in rows}
    faults = (payloads.fault_of(each) for _, each in sorted(looked_at.items()))
    return [fault for fault in faults if fault is not None]


def _payloads() -> QuerySet[Payload]:
    return Payload.objects.select_related("key")


KEYS_TRIED = 100


@doctor.check("I12-keys", "the keys of subjects open with the data keys of this installation")
def keys_of_subjects_open() -> list[str]:
    """Return what is broken, as sentences.

    The oldest and the newest are tried, and as many from a drawn place on: a key that was taken
    out of the setting opens nothing of its years.
    """
    in_use = SubjectKey.objects.filter(destroyed_at=None)
    drawn = in_use.filter(pk__gte=_drawn_place(in_use)).order_by("pk")
    tried = {
        key.pk: key
        for keys in (in_use.order_by("pk"), in_use.order_by("-pk"), drawn)
        for key in keys[:KEYS_TRIED]
    }
    faults = (subjects.fault_of(key) for _, key in sorted(tried.items()))
    return [fault for fault in faults if fault is not None]


def _drawn_place(rows: QuerySet[Any]) -> UUID:
    """Draw an id among those that there are: they go by time, so any of them is as likely."""
    ids = rows.values_list("pk", flat=True)
    first, last = ids.order_by("pk").first(), ids.order_by("pk").last()
    if first is None or last is None:
        return UUID(int=0)
    return UUID(int=first.int + secrets.randbelow(last.int - first.int + 1))


@doctor.check("I12-drift", "rows and entries agree on what was done")
def rows_and_entries_tell_the_same() -> list[str]:
    """Return what is broken, as sentences."""
    found = [f"{name}: no drift check answers for it" for name in drift.tables_without_a_check()]
    for each in drift.find_drift():
        found += [
            f"{each.check.name}: {id_} has no entry that says who did it" for id_ in each.sample_ids
        ]
        found += [
            f"{each.check.name}: entry {id_} says so, and its row does not show it"
            for id_ in each.unseen_sample_ids
        ]
    return found


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
_DISCLOSED_NOTHING = """
SELECT e.id FROM ledger_entry e LEFT JOIN ledger_disclosure d ON d.entry_id = e.id
 WHERE e.action_kind = 'read' AND e.status = 'succeeded'
   AND coalesce(cardinality(d.disclosed_fields), 0) = 0
 ORDER BY e.occurred_at, e.id
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


@doctor.check("I16", "every disclosure of private data names its fields")
def disclosures_name_fields() -> list[str]:
    """Return what is broken, as sentences."""
    return [f"entry {id_} showed something and names no field" for id_ in _ids(_DISCLOSED_NOTHING)]


def _ids(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [str(id_) for (id_,) in cursor.fetchall()]


# What is undone or amended was there before. Numbers and amounts: as the constraints say.
_OUT_OF_ORDER = """
SELECT m.entry_id, 'undoes', m.reverses_id FROM ledger_mutation m
  JOIN ledger_entry e ON e.id = m.entry_id JOIN ledger_entry o ON o.id = m.reverses_id
 WHERE o.created_at > e.created_at
 UNION ALL
SELECT e.id, 'amends', o.id FROM ledger_entry e JOIN ledger_entry o ON o.id = e.amends_id
 WHERE o.created_at > e.created_at ORDER BY 1
"""

# Within one transaction all were made at once, so the order says nothing: walk. Only from what
# both refers and is referred to, which is little.
_IN_A_CIRCLE = """
WITH RECURSIVE edge (later, earlier) AS (
  SELECT entry_id, reverses_id FROM ledger_mutation WHERE reverses_id IS NOT NULL
   UNION ALL
  SELECT id, amends_id FROM ledger_entry WHERE amends_id IS NOT NULL
), between AS (
  SELECT later, earlier FROM edge WHERE later IN (SELECT earlier FROM edge)
), walk (start, at) AS (
  SELECT later, earlier FROM between
   UNION
  SELECT walk.start, between.earlier FROM walk JOIN between ON between.later = walk.at
)
SELECT start FROM walk WHERE at = start ORDER BY start
"""

_UNDONE_TWICE = """
SELECT reverses_id, count(*) FROM ledger_mutation WHERE reversal_outcome = 'full'
 GROUP BY reverses_id HAVING count(*) > 1 ORDER BY reverses_id
"""

_TOO_MUCH = """
SELECT o.entry_id, o.reversal_amount_cents, sum(m.reversed_cents) FROM ledger_mutation o
  JOIN ledger_mutation m ON m.reverses_id = o.entry_id
   AND m.reversal_step IN ('settled', 'completed')
 WHERE o.reversal_amount_cents IS NOT NULL GROUP BY 1, 2
HAVING sum(m.reversed_cents) > o.reversal_amount_cents ORDER BY o.entry_id
"""


@doctor.check(
    "I15", "nothing is reversed twice, before it was done, in a cycle, or beyond its amount"
)
def reversals_are_sound() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_OUT_OF_ORDER)
        found = [
            f"entry {id_} {does} {of}, which came later" for id_, does, of in cursor.fetchall()
        ]
        cursor.execute(_IN_A_CIRCLE)
        found += [
            f"entry {id_} undoes or amends itself, by a circle" for (id_,) in cursor.fetchall()
        ]
        cursor.execute(_UNDONE_TWICE)
        found += [f"entry {id_} is wholly undone {n} times" for id_, n in cursor.fetchall()]
        cursor.execute(_TOO_MUCH)
        found += [f"entry {id_}: {n} undone of {of}" for id_, of, n in cursor.fetchall()]
    return found


@doctor.check("I15-standings", "the reversal state of every action follows from the entries")
def standings_follow_from_entries() -> list[str]:
    """Return what is broken, as sentences."""
    return rebuilding.rebuild(mends=False, only_stepped=True)


# Whether something was done under an approval: by ledger_approval_is_used_once it is one row.
_WAITS_IN_VAIN = """
SELECT s.entry_id, r.id FROM ledger_reversalstanding s, unnest(s.requests) r(id)
  LEFT JOIN ledger_approval a ON a.id = r.id
 WHERE s.requests <> '{}'
   AND (a.id IS NULL OR a.status NOT IN ('pending', 'approved')
        OR a.status = 'approved' AND a.expires_at < now() - interval '10 minutes'
        OR EXISTS (SELECT FROM ledger_entry e
                    WHERE e.approval_id = a.id
                      AND e.status IN ('succeeded', 'reversed', 'compensated')
                      AND e.action_kind NOT IN ('approve', 'reject')
                      AND e.action_name <> 'approval.decide'))
 ORDER BY s.entry_id, r.id
"""
_WITHDRAWN_TOO_SOON = """
SELECT m.reverses_id, a.id FROM ledger_mutation m
  JOIN ledger_entry e ON e.id = m.entry_id JOIN ledger_approval a ON a.id = e.approval_id
 WHERE m.reversal_step = 'withdrawn'
   AND (a.status = 'pending' OR a.status = 'approved' AND a.expires_at > e.occurred_at)
 ORDER BY m.reverses_id, a.id
"""


@doctor.check("I15-requests", "every reversal that waits for approval has an open approval")
def requests_to_undo_are_open() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITS_IN_VAIN)
        found = [
            f"entry {id_} waits for approval {approval_id}, which is over or used"
            for id_, approval_id in cursor.fetchall()
        ]
        cursor.execute(_WITHDRAWN_TOO_SOON)
        found += [
            f"entry {id_} waits no more for approval {approval_id}, which is open"
            for id_, approval_id in cursor.fetchall()
        ]
    return found


# Computed otherwise than by the triggers: what was written while they were disabled shows here.
_NOT_FOUR_EYES = """
SELECT v.approval_id FROM ledger_approvalvote v JOIN ledger_approval a ON a.id = v.approval_id
 WHERE v.human = ANY (a.humans) OR v.principal = ANY (a.chain)
"""
_WITHOUT_QUORUM = """
SELECT a.id FROM ledger_approval a
 WHERE a.status = 'approved' AND a.quorum > (
   SELECT count(DISTINCT v.human) FROM ledger_approvalvote v
    WHERE v.approval_id = a.id AND v.decision = 'approve')
"""
_NOT_WHAT_WAS_APPROVED = """
SELECT e.id, e.approval_id FROM ledger_entry e LEFT JOIN ledger_approval a ON a.id = e.approval_id
 WHERE e.approval_id IS NOT NULL AND e.status IN ('succeeded', 'reversed', 'compensated')
   AND e.action_kind NOT IN ('approve', 'reject') AND e.action_name <> 'approval.decide'
   AND (a.id IS NULL OR a.status <> 'approved' OR a.fingerprint <> e.idempotency_fingerprint
        OR e.occurred_at > a.expires_at OR e.occurred_at < a.decided_at)
"""
_USED_TWICE = """
SELECT approval_id FROM ledger_entry
 WHERE approval_id IS NOT NULL AND status IN ('succeeded', 'reversed', 'compensated')
   AND action_kind NOT IN ('approve', 'reject') AND action_name <> 'approval.decide'
 GROUP BY approval_id HAVING count(*) > 1
"""
_OVERDUE = """
SELECT id FROM ledger_approval
 WHERE status = 'pending' AND expires_at < now() - interval '10 minutes'
"""


@doctor.check(
    "I14",
    "nobody approves their own request; an approval covers one execution, of what was approved",
)
def approvals_are_of_others_and_used_once() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_NOT_FOUR_EYES)
        found = [f"approval {id_} was decided by who asked for it" for (id_,) in cursor.fetchall()]
        cursor.execute(_WITHOUT_QUORUM)
        found += [f"approval {id_} was approved by too few" for (id_,) in cursor.fetchall()]
        cursor.execute(_NOT_WHAT_WAS_APPROVED)
        found += [
            f"entry {id_} is not what approval {approval_id} was given for"
            for id_, approval_id in cursor.fetchall()
        ]
        cursor.execute(_USED_TWICE)
        found += [f"approval {id_} was used more than once" for (id_,) in cursor.fetchall()]
        cursor.execute(_OVERDUE)
        found += [f"approval {id_} should have expired" for (id_,) in cursor.fetchall()]
    return found


# The one tenant: entries name no other organisation, and a key of a user none but theirs.
_OTHER_TENANTS = """
SELECT e.id, e.organization_id FROM ledger_entry e
 WHERE e.organization_id <> (SELECT organization_id FROM ledger_entry
                              ORDER BY occurred_at, id LIMIT 1)
 ORDER BY e.occurred_at, e.id
"""
_KEYS_OF_OTHERS = """
SELECT e.id, split_part(e.idempotency_scope, ' ', 1) FROM ledger_entry e
 WHERE e.idempotency_scope LIKE 'user:%'
   AND split_part(e.idempotency_scope, ' ', 1) <> e.principal_type || ':' || e.principal_id
 ORDER BY e.occurred_at, e.id
"""


@doctor.check("I18", "no row refers to a row of another owner; there is one tenant")
def boundaries_hold() -> list[str]:
    """Return what is broken, as sentences. What has an owner says so: `ledger.boundaries`."""
    found = [
        f"{key}: refers to an owned model, and says no owner" for key in boundaries.undeclared()
    ]
    for crossing in boundaries.crossings():
        ids = boundaries.crossed(crossing).values_list("pk", flat=True)[: boundaries.SAMPLE_IDS]
        found += [f"{crossing}: {id_} crosses to another {crossing.owner}" for id_ in ids]
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_TENANTS)
        found += [f"entry {id_} is of another tenant: {name}" for id_, name in cursor.fetchall()]
        cursor.execute(_KEYS_OF_OTHERS)
        found += [f"entry {id_} has a key of {name}" for id_, name in cursor.fetchall()]
    return found

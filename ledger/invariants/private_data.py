"""Texts, payloads and keys beside entries are those that the entries name."""

import secrets
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from events import doctor
from ledger.models import Payload, Remark, SubjectKey
from ledger.privacy import payloads, remarks, subjects

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

"""Where the ledger stores personal data beyond what is encrypted with the keys of subjects."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.utils import timezone

from events.models import Payload as EventPayload
from events.models import Snapshot, StoredEvent
from ledger.domain.action import Proof
from ledger.domain.erasure import ERASED, Finding, Means, Person, masked_value
from ledger.domain.payload import Redaction
from ledger.erasing import erasure, searching
from ledger.erasing.erasure import Place
from ledger.erasing.searching import Search, Texts
from ledger.models import (
    AgentSwitch,
    Approval,
    ApprovalVote,
    Delegation,
    Entry,
    IdempotencyKey,
    LegalHold,
    Payload,
    Remark,
)
from ledger.privacy import payloads, remarks

LOG_ONLY_GROWS = "The log only grows; events of ours name fields of people, never values"
IN_CLEAR = "Written before reasons were kept beside entries; seals stand on it"


def _forget_replies(person: Person, proof: Proof | None) -> list[Finding]:
    """Let go of answers that show the person: a repeated request is answered anew."""
    # By id as well as by value: an answer may show masked what it may not show in clear.
    ids = {each.partition("/")[2] for each in person.subjects}
    rows = IdempotencyKey.objects.filter(response_body__isnull=False)
    found = searching.matching(rows, ["response_body"], [*sorted(ids), *person.sought])
    keys = list(found.values_list("pk", flat=True))
    if proof is not None:
        IdempotencyKey.objects.filter(pk__in=keys).update(
            response_status=None, response_headers={}, response_body=None
        )
    return [Finding(means=Means.EMPTIED, rows=len(keys))]


def _mask_payloads(person: Person, proof: Proof | None) -> list[Finding]:
    """Mask payloads that are not sealed with the key of a subject."""
    rows = Payload.objects.filter(key=None, content__isnull=False)
    found = searching.matching(rows, ["content"], person.sought)
    ids = list(found.values_list("pk", flat=True)) if person.sought else []
    if proof is not None:
        for payload in Payload.objects.select_for_update().filter(pk__in=ids).order_by("pk"):
            _mask(payload, person.sought, proof)
    return [Finding(means=Means.MASKED, rows=len(ids))]


def _mask(payload: Payload, sought: Sequence[str], proof: Proof) -> None:
    content: Any = masked_value(payloads.content_of(payload), sought)
    Payload.objects.filter(pk=payload.pk).update(
        content=payloads.reclosed(payload, content),
        redaction=Redaction.REDACTED.value,
        redacted_at=timezone.now(),
        redacted_by=proof.entry_id,
    )


def _tombstone_remarks(person: Person, proof: Proof | None) -> list[Finding]:
    """Take away whole what names the person: what stands around a name is about them, too."""
    rows = Remark.objects.filter(erased_at=None)
    found = searching.matching(rows, ["text"], person.sought) if person.sought else rows.none()
    ids = list(found.order_by("pk").values_list("pk", flat=True))
    if proof is not None:
        remarks.tombstone(ids, proof, at=timezone.now())
    return [Finding(means=Means.EMPTIED, rows=len(ids), ids=tuple(map(str, ids)))]


def _untitled(_row: Approval, _sought: Sequence[str]) -> dict[str, Any]:
    """Take a title away whole, as the reasons beside it."""
    return {"title": ERASED}


def _entries() -> Any:
    return Entry.objects.all()


for _place in (
    Place(
        name="ledger.replies",
        holds="Answers kept for a day for requests that are repeated",
        handle=_forget_replies,
        passes=True,
    ),
    Place(
        name="ledger.notes",
        holds="Payloads of entries that are not sealed with the key of a subject",
        handle=_mask_payloads,
    ),
    Place(
        name="ledger.remarks",
        holds="Reasons of actions, looks and requests, and comments of who decided",
        handle=_tombstone_remarks,
    ),
    Place(
        name="ledger.entries",
        holds="Entries themselves: what we say of an action, and reasons from before",
        handle=Search(Texts(rows=_entries, columns=("body",), because=IN_CLEAR)),
    ),
    Place(
        name="ledger.approvals",
        holds="Titles of approvals, and reasons and comments from before",
        handle=Search(
            Texts(rows=Approval.objects.all, columns=("title",), change=_untitled),
            Texts(rows=Approval.objects.all, columns=("old_reason",), because=IN_CLEAR),
            Texts(rows=ApprovalVote.objects.all, columns=("old_comment",), because=IN_CLEAR),
        ),
    ),
    Place(
        name="ledger.delegations",
        holds="Reasons of delegations, of the kill switch and of legal holds",
        handle=Search(
            Texts(rows=Delegation.objects.all, columns=("reason",)),
            Texts(rows=AgentSwitch.objects.all, columns=("reason",)),
            Texts(rows=LegalHold.objects.all, columns=("reason",)),
        ),
    ),
    Place(
        name="events.log",
        holds="Events",
        handle=Search(
            Texts(rows=StoredEvent.objects.all, columns=("data",), because=LOG_ONLY_GROWS),
            Texts(rows=EventPayload.objects.all, columns=("body",), because=LOG_ONLY_GROWS),
            # Only a shortcut: it is taken anew.
            Texts(rows=Snapshot.objects.all, columns=("state",), means=Means.DELETED),
        ),
    ),
    Place(
        name="admin.log",
        holds="What was done by hand in the admin",
        handle=Search(Texts(rows=LogEntry.objects.all, columns=("object_repr", "change_message"))),
    ),
):
    erasure.declare_place(_place)

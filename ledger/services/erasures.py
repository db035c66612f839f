"""Erases persons, certifies it, and manages legal holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from events.domain.errors import Conflict, NotFound
from events.ids import new_id
from ledger import recording
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.erasure import Certificate
from ledger.erasing import erasure
from ledger.models import Entry, LegalHold, Payload
from ledger.privacy import payloads


class CertificateUnknown(NotFound):
    code = "certificate_unknown"

    def __init__(self, entry_id: UUID) -> None:
        super().__init__(f"Entry {entry_id} carries no certificate.", entry_id=str(entry_id))


class HoldUnknown(NotFound):
    code = "hold_unknown"

    def __init__(self, hold_id: UUID) -> None:
        super().__init__(f"There is no legal hold {hold_id}.", hold_id=str(hold_id))


class SubjectHeldAlready(Conflict):
    code = "subject_held_already"
    hint = "Lift that hold first, or leave it as it is."

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject} is under a legal hold.", pointer="/subject", subject=subject)


class HoldLiftedAlready(Conflict):
    code = "hold_lifted_already"
    hint = "Place another hold if one is needed again."

    def __init__(self, hold: LegalHold) -> None:
        super().__init__(f"The hold on {hold.subject} was lifted.", hold_id=str(hold.pk))


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with the entry that carries it. `is_new`: something was erased now."""

    entry_id: UUID
    certificate: dict[str, Any]
    is_new: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the certificate as it is shown."""
        return {**self.certificate, "entry_id": str(self.entry_id)}


def preview_erasure(*, subject: str) -> Certificate:
    """Return what erasing a person now would do in every place. Nothing changes.

    :raises SubjectOnHold: if something of it is kept for a court.
    """
    with transaction.atomic():
        return erasure.preview_in_transaction(subject, at=timezone.now())


def erase_subject(*, subject: str, reason: str) -> Issued:
    """Erase a person in every place and certify it. Once nothing is left, return that certificate.

    Entries and seals stay as they are. Content is unreadable from then on, also in copies of
    the rows made before, once no copy of the key is left.

    :raises SubjectOnHold: if something of it is kept for a court.
    :raises SubjectStillNeeded: if everything that is left is needed for another purpose.
    """
    action = Action(
        name=erasure.CAPABILITY,
        # Not an update: there may be nothing of theirs among the payloads.
        kind=Kind.EXECUTE,
        target=Target(type="subject", id=subject),
        capability=erasure.CAPABILITY,
        reason=reason,
    )
    with recording.recorded(action) as proof:
        before = issued_before(subject, at=timezone.now())
        if before is not None:
            proof.changes_nothing()
            proof.answers_with(before.entry_id)
            return before
        issued = issue_in_transaction(subject, proof, at=timezone.now())
        proof.answers_with(issued.entry_id)
    return issued


def issue_in_transaction(subject: str, proof: Proof, *, at: datetime) -> Issued:
    """Erase a person in the caller's transaction; the entry of `proof` carries the certificate.

    :raises SubjectOnHold, SubjectStillNeeded: as `erase_subject` does.
    """
    certificate = erasure.forget_in_transaction(subject, proof, at=at)
    kept = erasure.kept_beside(certificate)
    proof.keeps(kept.kind, kept.content, schema_tag=kept.schema_tag, retention=kept.retention.name)
    gone = sum(each.finding.rows for each in certificate.lines if each.finding.means.takes_away)
    left = sum(each.finding.rows for each in certificate.kept)
    proof.says(f"Rows forgotten: {gone}, kept: {left}; the certificate names the places.")
    return Issued(entry_id=proof.entry_id, certificate=certificate.as_json())


def issued_before(subject: str, *, at: datetime) -> Issued | None:
    """Return the first certificate of a subject of which nothing is left to erase; None if none.

    For the transaction of an erasure, whose locks it takes.

    :raises SubjectOnHold: if something of it is kept for a court.
    """
    # Before the look: of two at once the second finds the certificate of the first.
    erasure.take_turns()
    kept = _certificates().filter(content__isnull=False).values("entry")
    first = about(subject, Entry.objects.filter(pk__in=kept))
    entry = first.order_by("occurred_at").first()
    if entry is None:
        return None
    if erasure.is_worth_it(erasure.preview_in_transaction(subject, at=at)):
        return None
    return Issued(entry_id=entry.pk, certificate=certificate_of(entry.pk), is_new=False)


def certificates() -> QuerySet[Entry]:
    """Return the entries that carry a certificate."""
    with_reason = Entry.objects.select_related("remark")
    return with_reason.filter(pk__in=_certificates().values("entry"))


def about(subject: str, erased: QuerySet[Entry]) -> QuerySet[Entry]:
    """Return those of the erasures that are of a subject, by whichever action it was erased."""
    type_, _, id_ = subject.partition("/")
    return erased.filter(
        Q(target_type="subject", target_id=subject) | Q(target_type=type_, target_id=id_)
    )


def certificate_of(entry_id: UUID) -> dict[str, Any]:
    """Return the certificate that an entry carries.

    :raises CertificateUnknown: if it carries none.
    :raises PayloadGone: if its retention has ended.
    """
    return dict(payloads.content_of(_certificate(entry_id)))


def evidence_of(entry_id: UUID) -> dict[str, Any]:
    """Return a certificate with the salt and the digest that bind it to its entry.

    HMAC-SHA256 of its canonical JSON (RFC 8785), keyed with the salt, is the digest that the
    sealed entry names. The export proves the entry.

    :raises CertificateUnknown, PayloadGone: as `certificate_of` does.
    """
    payload = _certificate(entry_id)
    return {
        "format": payload.schema_tag,
        "entry_id": str(entry_id),
        "certificate": payloads.content_of(payload),
        "salt": payloads.salt_of(payload).hex(),
        "digest": payload.digest,
    }


def place_hold(*, subject: str, reason: str) -> LegalHold:
    """Keep everything about a subject for a court, until the hold is lifted.

    :raises SubjectHeldAlready: if it is.
    """
    # A subject is a type and an id, not a name.
    asked = {"subject": subject}
    with recording.recorded(_holding("place", Kind.CREATE, reason, asked=asked)) as proof:
        # What is being taken away is gone before the hold is there, or stays.
        erasure.take_turns()
        if LegalHold.objects.filter(subject=subject, lifted_at=None).exists():
            raise SubjectHeldAlready(subject)
        hold = LegalHold.objects.create(
            pk=new_id(), subject=subject, reason=reason, placed_by_id=proof.entry_id
        )
        proof.refers_to(hold.pk)
        proof.says(f"{subject} is under a legal hold.")
        hold.refresh_from_db()
    return hold


def lift_hold(*, hold_id: UUID, reason: str) -> LegalHold:
    """End a legal hold.

    :raises HoldUnknown: if there is none.
    :raises HoldLiftedAlready: if it has ended.
    """
    with recording.recorded(_holding("lift", Kind.UPDATE, reason, hold_id)) as proof:
        hold = LegalHold.objects.select_for_update().filter(pk=hold_id).first()
        if hold is None:
            raise HoldUnknown(hold_id)
        if hold.lifted_at is not None:
            raise HoldLiftedAlready(hold)
        hold.lifted_at, hold.lifted_by_id = timezone.now(), proof.entry_id
        hold.save(update_fields=["lifted_at", "lifted_by"])
        proof.says(f"{hold.subject} is under a hold no more.")
    return hold


def _holding(
    verb: str,
    kind: Kind,
    reason: str,
    hold_id: UUID | None = None,
    *,
    asked: Mapping[str, Any] | None = None,
) -> Action:
    return Action(
        name=f"legal_hold.{verb}",
        kind=kind,
        target=Target(type="legal_hold", id=str(hold_id or "")),
        capability="subject.hold",
        reason=reason,
        input=asked or {},
    )


def _certificates() -> QuerySet[Payload]:
    # Relies on ledger_erasure_certificates.
    return Payload.objects.filter(schema_tag__startswith="erasure_certificate/")


def _certificate(entry_id: UUID) -> Payload:
    found = _certificates().select_related("key").filter(entry_id=entry_id).first()
    if found is None:
        raise CertificateUnknown(entry_id)
    return found

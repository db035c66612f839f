"""Forget a person everywhere, and say where: each room names the places that it keeps.

A subject is written `traveller/<id>`. Payloads of the ledger are always one of the places;
`declare_place` adds the others. All of it happens in one transaction, on record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.domain.action import Proof
from ledger.domain.payload import Redaction
from ledger.models import Payload, SubjectKey

PAYLOADS: Final = "ledger.payloads"
CERTIFICATE: Final = "erasure_certificate/1"

Forget = Callable[[str, Proof], int]
"""Takes the id of a subject; forgets it, and returns from how many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something about subjects of one type is kept."""

    name: str
    subject_type: str
    forget: Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was forgotten, place by place. Places where nothing was are named too."""

    subject: str
    erased_at: datetime
    places: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return what is kept beside the entry."""
        return {
            "subject": self.subject,
            "erased_at": self.erased_at.isoformat(),
            "places": self.places,
        }


_PLACES: dict[str, Place] = {}


def declare_place(place: Place) -> None:
    """Name a place that must be looked at when somebody is to be forgotten."""
    assert place.name not in _PLACES, f"{place.name} is declared twice"
    _PLACES[place.name] = place


def forget_in_transaction(subject: str, proof: Proof, *, at: datetime) -> Certificate:
    """Forget `subject` in every place, within the caller's transaction."""
    type_, _, id_ = subject.partition("/")
    counts = {PAYLOADS: shred_in_transaction(subject, proof, at=at)}
    for name in sorted(_PLACES):
        if _PLACES[name].subject_type == type_:
            counts[name] = _PLACES[name].forget(id_, proof)
    return Certificate(subject=subject, erased_at=at, places=counts)


def shred_in_transaction(subject: str, proof: Proof, *, at: datetime) -> int:
    """Destroy the key of `subject`, and return how many payloads went with it."""
    # Not while content is being sealed under it: writers hold the row shared.
    keys = SubjectKey.objects.select_for_update().filter(subject=subject, destroyed_at=None)
    gone = 0
    for key_id in list(keys.values_list("pk", flat=True)):
        left = Payload.objects.filter(
            key=key_id, redaction__in=[Redaction.NONE.value, Redaction.REDACTED.value]
        )
        gone += left.update(
            content=None,
            redaction=Redaction.CRYPTO_SHREDDED.value,
            redacted_at=at,
            redacted_by=proof.entry_id,
        )
        SubjectKey.objects.filter(pk=key_id).update(
            wrapped=None, destroyed_at=at, destroyed_by=proof.entry_id
        )
    return gone

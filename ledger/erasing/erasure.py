"""Erases a person in every place that the apps have declared, and certifies it.

A subject is written `traveller/<id>`. `declare_subject` tells who it is, `declare_place` where
data about subjects are stored. An erasure is one recorded transaction. A preview calls the
same functions without a proof: then they only report what they would do.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db import connection

from events.domain.errors import Conflict, Rejected
from events.locks import LockClass
from ledger import recording
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.erasure import (
    Certificate,
    Finding,
    Line,
    Means,
    Need,
    Person,
    lines_of,
    masked_text,
    with_needs,
)
from ledger.domain.payload import RETENTIONS, Kept, PayloadKind, Redaction
from ledger.erasing.searching import Search
from ledger.models import LegalHold, Payload, SubjectKey

PAYLOADS: Final = "ledger.payloads"
CERTIFICATE: Final = "erasure_certificate/3"
CAPABILITY: Final = "subject.erase"

PersonOf = Callable[[str], Person]
"""Takes the id of a subject; returns who goes by it, under the locks that forgetting needs."""
Handle = Callable[[Person, Proof | None], Iterable[Finding]]
"""Forgets a person in one place and says what came of it; without a proof, what would."""

Seals = Callable[[str], bool]
"""Takes a subject."""

_WHOLE: Final = [Redaction.NONE.value, Redaction.REDACTED.value]


class SubjectStillNeeded(Conflict):
    code = "subject_still_needed"
    hint = "End what needs the data first, or wait until it has ended."

    def __init__(self, person: Person) -> None:
        because = sorted({need.because for need in person.needs.values()})
        super().__init__(
            f"{person.subject} cannot be erased yet: {'; '.join(because)}.",
            subject=person.subject,
            because=because,
        )


class ReasonNamesThem(Rejected):
    code = "reason_names_subject"
    hint = "Give the number of the request instead: the entry is kept permanently."

    def __init__(self, subject: str) -> None:
        super().__init__(
            "The reason names who is to be forgotten.", pointer="/reason", subject=subject
        )


class SubjectOnHold(Conflict):
    code = "subject_on_hold"
    hint = "The hold has to be lifted first."

    def __init__(self, hold: LegalHold) -> None:
        super().__init__(
            f"{hold.subject} is under a legal hold.", subject=hold.subject, hold_id=str(hold.pk)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where data about subjects of some types are kept; of all types, if none is named.

    Data that `passes` disappear by themselves within a day: alone they are no reason for another
    erasure. `seals` returns whether the place has something that only the key of a subject opens.
    """

    name: str
    holds: str
    handle: Handle
    about: frozenset[str] = frozenset()
    passes: bool = False
    seals: Seals | None = None


_PLACES: dict[str, Place] = {}
_SUBJECTS: dict[str, PersonOf] = {}


def declare_place(place: Place) -> None:
    """Declare a place that must be searched when somebody is erased."""
    assert place.name not in _PLACES, f"{place.name} is declared twice"
    _PLACES[place.name] = place


def declare_subject(type_: str, person_of: PersonOf) -> None:
    """Declare how to find the person of a subject of a type. Others are known by their id only."""
    assert type_ not in _SUBJECTS, f"{type_} is declared twice"
    _SUBJECTS[type_] = person_of


def places() -> Mapping[str, Place]:
    """Return every place, by name."""
    return _PLACES


def searched() -> set[str]:
    """Return every column that is searched when somebody is forgotten, as `app.Model.column`."""
    searches = [place.handle for place in _PLACES.values() if isinstance(place.handle, Search)]
    return {name for search in searches for texts in search.texts for name in texts.names()}


def take_turns() -> None:
    """Serialise erasures, redactions and legal holds, until the end of the transaction.

    Two erasures of the same person would deadlock on one another's rows, and nothing may be erased
    while a hold is being placed on it. Take this lock before all row locks.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LockClass.ERASURE])


def preview_in_transaction(subject: str, *, at: datetime) -> Certificate:
    """Return the certificate that erasing `subject` now would issue; nothing changes.

    :raises SubjectOnHold: if somebody keeps it for a court.
    """
    return _went_through(_person(subject, at), None, at=at)


def forget_in_transaction(subject: str, proof: Proof, *, at: datetime) -> Certificate:
    """Erase `subject`, and all subjects of the same person, within the caller's transaction.

    Each subject but the one of the proof gets an entry of its own.

    :raises SubjectOnHold: if somebody keeps it for a court.
    :raises SubjectStillNeeded: if all of it is needed for something else.
    :raises ReasonNamesThem: if the entry would name who is forgotten.
    """
    person = _person(subject, at)
    if masked_text(proof.action.reason, person.spelled) != proof.action.reason:
        raise ReasonNamesThem(subject)
    if person.needs and not person.going:
        raise SubjectStillNeeded(person)
    certificate = _went_through(person, proof, at=at)
    for each in person.going:
        _put_on_record(each, proof, certificate)
    return certificate


def is_key_in_use(subject: str) -> bool:
    """Return whether an app stores something that only the key of `subject` decrypts."""
    type_ = subject.partition("/")[0]
    return any(
        place.seals(subject)
        for place in _PLACES.values()
        if place.seals is not None and (not place.about or type_ in place.about)
    )


def is_worth_it(certificate: Certificate) -> bool:
    """Return whether an erasure would take away more than what disappears by itself."""
    passing = {place.name for place in _PLACES.values() if place.passes}
    return certificate.takes_away(but_from=passing)


def check_holds(subjects: Iterable[str]) -> None:
    """Refuse to take away what is kept for a court.

    :raises SubjectOnHold: if one of them is under a hold.
    """
    held = LegalHold.objects.filter(subject__in=list(subjects), lifted_at=None)
    if (hold := held.order_by("placed_at").first()) is not None:
        raise SubjectOnHold(hold)


def shred_in_transaction(subject: str, proof: Proof, *, at: datetime) -> int:
    """Destroy the key of `subject`, and return how many payloads went with it.

    :raises SubjectOnHold: if somebody keeps it for a court.
    """
    check_holds([subject])
    # Not while content is being sealed under it: writers hold the row shared.
    keys = SubjectKey.objects.select_for_update().filter(subject=subject, destroyed_at=None)
    gone = 0
    for key_id in list(keys.values_list("pk", flat=True)):
        left = Payload.objects.filter(key=key_id, redaction__in=_WHOLE)
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


def _person(subject: str, at: datetime) -> Person:
    take_turns()
    type_, _, id_ = subject.partition("/")
    person_of = _SUBJECTS.get(type_)
    person = Person(subjects=(subject,)) if person_of is None else person_of(id_)
    check_holds(person.subjects)
    over = {s: n for s, n in person.needs.items() if n.until is not None and n.until <= at}
    left: dict[str, Need] = {s: n for s, n in person.needs.items() if s not in over}
    return with_needs(replace(person, needs={}), left)


def _went_through(person: Person, proof: Proof | None, *, at: datetime) -> Certificate:
    types = {each.partition("/")[0] for each in person.subjects}
    lines: list[Line] = []
    for name in sorted(_PLACES):
        place = _PLACES[name]
        if not place.about or place.about & types:
            lines += lines_of(name, place.holds, place.handle(person, proof))
    # The keys last of all: until then the places can read what they have to find.
    shredded = _shredded(person, proof, at)
    lines += lines_of(PAYLOADS, "What entries refer to, sealed with the person's key", shredded)
    return Certificate(
        subject=person.subject,
        subjects=person.subjects,
        others=person.others,
        erased_at=at,
        lines=tuple(sorted(lines, key=lambda line: line.place)),
    )


def _shredded(person: Person, proof: Proof | None, at: datetime) -> Iterable[Finding]:
    for subject in person.subjects:
        under = Payload.objects.filter(key__subject=subject, redaction__in=_WHOLE)
        if (need := person.needs.get(subject)) is not None:
            yield Finding(
                means=Means.KEPT, rows=under.count(), because=need.because, until=need.until
            )
        elif proof is None:
            yield Finding(means=Means.CRYPTO_SHREDDED, rows=under.count())
        else:
            gone = shred_in_transaction(subject, proof, at=at)
            yield Finding(means=Means.CRYPTO_SHREDDED, rows=gone)


def kept_beside(certificate: Certificate) -> Kept:
    """Return the certificate as a payload, for the entry of the erasure to refer to."""
    return Kept(
        kind=PayloadKind.COMMAND_RESULT,
        content=certificate.as_json(),
        schema_tag=CERTIFICATE,
        retention=RETENTIONS["finance-10y"],
    )


def _put_on_record(subject: str, proof: Proof, certificate: Certificate) -> None:
    if (proof.action.name, proof.target.id) == (CAPABILITY, subject):
        return
    action = Action(
        name=CAPABILITY,
        kind=Kind.EXECUTE,
        target=Target(type="subject", id=subject),
        capability=CAPABILITY,
        reason=proof.action.reason,
    )
    summary = f"Forgotten by entry {proof.entry_id}."
    recording.record_further_target(action, summary, kept_beside(certificate))

"""The registry of readings: types of objects that agents can read, one or a list.

For the tools of agents, which know no URLs. Readings hold no personal data; that is disclosed
elsewhere, one object at a time. Every app registers its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from events.domain.errors import DomainError, NotFound
from ledger import capabilities, recording, target_types
from ledger.access import authority
from ledger.access.authority import Caller
from ledger.disclosure import disclosing
from ledger.domain.action import TARGET_CHARS_MAX, Target
from ledger.domain.capability import CapabilityMissing
from ledger.domain.delegation import OutOfReach

PAGE_MAX = 50


class ReadingUnknown(NotFound):
    code = "reading_unknown"
    hint = "Call `list` without a type: it names the types that can be read."

    def __init__(self, type_: str) -> None:
        super().__init__(f"Nothing of type {type_!r} can be read by name.", type=type_)


class ThingNotFound(NotFound):
    code = "thing_not_found"

    def __init__(self, type_: str, id_: str) -> None:
        super().__init__(f"There is no {type_} {id_}, or not for you.", type=type_, id=id_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How objects of one type are read. `show` returns JSON without personal values.

    Its type is that of targets, so that commands and the filters of delegations mean the same.
    """

    capability: str
    meaning: str
    model: type[Model]
    show: Callable[[Any], dict[str, Any]]

    @property
    def type(self) -> str:
        """Its name."""
        return target_types.type_of(self.model)

    def every(self) -> QuerySet[Any]:
        """Return all rows, for any caller."""
        return self.model._default_manager.all()  # noqa: SLF001 - Django's own public spelling.

    def visible_to(self, caller: Caller) -> QuerySet[Any]:
        """Return the rows that the caller may read."""
        return authority.visible(self.every(), caller, self.capability)


_readings: dict[str, Reading] = {}


def register(reading: Reading) -> None:
    """Make `reading` known to this process. A type is read in one way."""
    capabilities.get(reading.capability)  # A bug shows when the process starts.
    known = _readings.setdefault(reading.type, reading)
    assert known == reading, f"{reading.type} is registered twice"


def get(type_: str) -> Reading:
    """Return the reading of a type.

    :raises ReadingUnknown: if objects of this type cannot be read.
    """
    try:
        return _readings[type_]
    except KeyError:
        raise ReadingUnknown(type_) from None


def every() -> list[Reading]:
    """Return all of them, by type."""
    return [_readings[type_] for type_ in sorted(_readings)]


def thing(type_: str, id_: str) -> Model | None:
    """Return an object, for any caller; None if there is none, or its type is not readable."""
    reading = _readings.get(type_)
    return None if reading is None else _one(reading.every(), id_)


def show(type_: str, id_: str, *, caller: Caller) -> dict[str, Any]:
    """Return one object as JSON. The read, or its refusal and why, is recorded first.

    :raises ReadingUnknown: if objects of this type cannot be read.
    :raises ThingNotFound: if there is none, or the caller may not see it (ADR 0170).
    :raises CapabilityMissing: if the caller may read no object of the type.
    """
    reading = get(type_)
    _demand_somewhere(reading, caller)
    # One query, which finds nothing whether there is nothing to find or not for the caller.
    found = _one(reading.visible_to(caller), id_)
    if found is None or not caller.holds(reading.capability, found):
        raise _not_found(reading, id_, reading.capability, caller)
    disclosing.note_read(reading.capability, target_type=type_, target_id=str(found.pk))
    return reading.show(found)


def demand(type_: str, id_: str, capability_id: str, *, caller: Caller) -> None:
    """Check that the caller holds the capability over one object.

    A caller who holds it over all objects passes even if there is no such object: the service that
    is called next says so.

    :raises ThingNotFound: if there is none, or the caller may not see it (ADR 0170).
    :raises CapabilityMissing: if the caller holds it over no object, or not over this one, which
        they may see.
    """
    reading = _readings.get(type_)
    if caller.holds(capability_id):
        return
    if reading is None or not caller.holds_somewhere(capability_id):
        caller.demand(capability_id)
        return
    found = thing(type_, id_)
    if found is not None and caller.holds(capability_id, found):
        return
    if _one(reading.visible_to(caller), id_) is not None:
        caller.demand(capability_id, found)
    raise _not_found(reading, id_, capability_id, caller)


def page(type_: str, *, caller: Caller, after: str = "", size: int = PAGE_MAX) -> list[Any]:
    """Return up to `size` things in the order of their ids, those after `after`.

    :raises ReadingUnknown, ThingNotFound: if there is no such type, or `after` is no id of it.
    :raises CapabilityMissing: if the caller may read none of them.
    """
    reading = get(type_)
    _demand_somewhere(reading, caller)
    disclosing.note_read(reading.capability, target_type=type_)
    rows = reading.visible_to(caller).order_by("pk")
    if after:
        try:
            rows = rows.filter(pk__gt=after)
        except (ValueError, ValidationError) as error:
            raise ThingNotFound(type_, after) from error
    return [reading.show(row) for row in rows[:size]]


def _demand_somewhere(reading: Reading, caller: Caller) -> None:
    if not caller.holds_somewhere(reading.capability):
        why = CapabilityMissing(reading.capability)
        recording.record_denial(reading.capability, target_id="", why=why)
        raise why


def _one(rows: QuerySet[Any], id_: str) -> Any:
    try:
        return rows.filter(pk=id_).first()
    except (ValueError, TypeError, ValidationError):
        return None  # An id that no thing of this type could have.


def _not_found(reading: Reading, id_: str, capability_id: str, caller: Caller) -> ThingNotFound:
    """Return the one answer, and put on record what it stands for."""
    not_found = ThingNotFound(reading.type, id_)
    found = thing(reading.type, id_)
    why: DomainError = not_found
    if not caller.reaches(reading.type, id_ if found is None else str(found.pk)):
        why = OutOfReach(capability_id, f"{reading.type} {id_}")
    elif found is not None:
        why = CapabilityMissing(capability_id)
    target = Target(type=reading.type, id=id_[:TARGET_CHARS_MAX])
    disclosing.note_withheld(capability_id, why, target=target)
    return not_found

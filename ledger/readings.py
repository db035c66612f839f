"""The registry of readings: what can be looked at by name, one thing or a list of them.

For callers that are no browser and know no address: the tools of agents. What is shown holds
no personal values; those are disclosed one by one, elsewhere. Every app registers its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from events.domain.errors import NotFound
from ledger import authority, capabilities, disclosing, recording, target_types
from ledger.authority import Holder
from ledger.domain.capability import CapabilityMissing

PAGE_MAX = 50


class ReadingUnknown(NotFound):
    code = "reading_unknown"
    hint = "Call `list` without a type: it names the types that can be read."

    def __init__(self, type_: str) -> None:
        super().__init__(f"Nothing of type {type_!r} can be read by name.", type=type_)


class ThingNotFound(NotFound):
    code = "thing_not_found"

    def __init__(self, type_: str, id_: str) -> None:
        super().__init__(f"There is no {type_} {id_}.", type=type_, id=id_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How things of one type are looked at. `show` returns JSON without personal values.

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

    def visible_to(self, holder: Holder) -> QuerySet[Any]:
        """Return the rows that the holder may read."""
        rows = self.model._default_manager.all()  # noqa: SLF001 - Django's own public spelling.
        return authority.visible(rows, holder, self.capability)


_readings: dict[str, Reading] = {}


def register(reading: Reading) -> None:
    """Make `reading` known to this process. A type is read in one way."""
    capabilities.get(reading.capability)  # A bug shows when the process starts.
    known = _readings.setdefault(reading.type, reading)
    assert known == reading, f"{reading.type} is registered twice"


def get(type_: str) -> Reading:
    """Return how things of a type are read.

    :raises ReadingUnknown: if they are not.
    """
    try:
        return _readings[type_]
    except KeyError:
        raise ReadingUnknown(type_) from None


def every() -> list[Reading]:
    """Return all of them, by type."""
    return [_readings[type_] for type_ in sorted(_readings)]


def thing(type_: str, id_: str) -> Model | None:
    """Return a thing, whoever asks; None if there is none, or nothing of its type is read."""
    reading = _readings.get(type_)
    if reading is None:
        return None
    rows = reading.model._default_manager  # noqa: SLF001 - Django's own public spelling.
    try:
        return rows.filter(pk=id_).first()
    except (ValueError, TypeError, ValidationError):
        return None  # An id that no thing of this type could have.


def show(type_: str, id_: str, *, holder: Holder) -> dict[str, Any]:
    """Return one thing. That it is read is on record before.

    :raises ReadingUnknown, ThingNotFound: if there is no such type or thing.
    :raises CapabilityMissing: if the holder may not read it.
    """
    reading = get(type_)
    found = thing(type_, id_)
    if found is None:
        _demand_somewhere(reading, holder)
        disclosing.note_read(reading.capability, target_id=id_[:200])
        raise ThingNotFound(type_, id_)
    holder.demand(reading.capability, found)
    disclosing.note_read(reading.capability, target_id=id_)
    return reading.show(found)


def page(type_: str, *, holder: Holder, after: str = "", size: int = PAGE_MAX) -> list[Any]:
    """Return up to `size` things in the order of their ids, those after `after`.

    :raises ReadingUnknown, ThingNotFound: if there is no such type, or `after` is no id of it.
    :raises CapabilityMissing: if the holder may read none of them.
    """
    reading = get(type_)
    _demand_somewhere(reading, holder)
    disclosing.note_read(reading.capability)
    rows = reading.visible_to(holder).order_by("pk")
    if after:
        try:
            rows = rows.filter(pk__gt=after)
        except (ValueError, ValidationError) as error:
            raise ThingNotFound(type_, after) from error
    return [reading.show(row) for row in rows[:size]]


def _demand_somewhere(reading: Reading, holder: Holder) -> None:
    if not holder.holds_somewhere(reading.capability):
        why = CapabilityMissing(reading.capability)
        recording.record_denial(reading.capability, target_id="", why=why)
        raise why

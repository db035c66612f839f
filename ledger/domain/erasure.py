"""Erasure of a person: their subjects, the outcome per place, the certificate.

A person has several subjects: `traveller/<id>` of one booking, `contact/<id>` of another.
Each is erased as a whole, or kept as a whole because something still needs it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

ERASED = "[erased]"
IDS_MAX = 1000
"""So many rows a line of a certificate names; it counts all of them."""
VALUE_CHARS_MIN = 5
"""What is shorter stands in too many texts that are about somebody else."""


class Means(StrEnum):
    """What becomes of the rows of a place."""

    DELETED = "deleted"
    EMPTIED = "emptied"
    MASKED = "masked"
    CRYPTO_SHREDDED = "crypto_shredded"
    KEPT = "kept"
    NOTHING_FOUND = "nothing_found"

    @property
    def takes_away(self) -> bool:
        """Return whether something that was there is not there any more."""
        return self not in {Means.KEPT, Means.NOTHING_FOUND}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Why a subject cannot be forgotten yet. `until` is None where no day is known."""

    because: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person to be erased. The first of `subjects` is the one that was asked for.

    `values` are the known personal values in clear: names, addresses, numbers. `others` are
    subjects that may or may not be the same person: they are reported and not erased.
    """

    subjects: tuple[str, ...]
    values: frozenset[str] = frozenset()
    needs: Mapping[str, Need] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.subjects[0]

    @property
    def going(self) -> tuple[str, ...]:
        """The subjects that nothing needs any more."""
        return tuple(each for each in self.subjects if each not in self.needs)

    def ids(self, type_: str, *, kept: bool = False) -> list[str]:
        """Return the ids of the subjects of a type that go, or of those that are kept."""
        of_type = (each for each in self.subjects if each.startswith(f"{type_}/"))
        return [each.partition("/")[2] for each in of_type if (each in self.needs) is kept]

    @property
    def sought(self) -> tuple[str, ...]:
        """The values by which texts are searched, the longest first; none while any is needed.

        While something of a person has to be kept, texts are not searched for them: those texts
        may be what it is kept for.
        """
        if any(need.until is None for need in self.needs.values()):
            return ()
        return self.spelled

    @property
    def spelled(self) -> tuple[str, ...]:
        """All values that could be searched for, whatever is needed; the longest first."""
        found = {value.strip() for value in self.values}
        return tuple(sorted((v for v in found if len(v) >= VALUE_CHARS_MIN), key=_long_first))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What happens to a number of rows; if they are kept, why and until when.

    `ids` are those of rows that somebody may want to look at afterwards.
    """

    means: Means
    rows: int
    because: str = ""
    until: datetime | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One finding in one place."""

    place: str
    holds: str
    finding: Finding

    def as_json(self) -> dict[str, Any]:
        """Return it as the certificate says it."""
        until = self.finding.until
        return {
            "place": self.place,
            "holds": self.holds,
            "means": self.finding.means.value,
            "rows": self.finding.rows,
            "because": self.finding.because,
            "until": until.isoformat() if until else None,
            "ids": list(self.finding.ids[:IDS_MAX]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was forgotten, place by place. Places where nothing was are named too."""

    subject: str
    subjects: tuple[str, ...]
    others: tuple[str, ...]
    erased_at: datetime
    lines: tuple[Line, ...]

    def takes_away(self, *, but_from: Collection[str] = ()) -> bool:
        """Return whether anything was there to be forgotten, leaving some places aside."""
        return any(
            line.finding.means.takes_away and line.place not in but_from for line in self.lines
        )

    @property
    def kept(self) -> list[Line]:
        """What is still there, and why."""
        return [line for line in self.lines if line.finding.means is Means.KEPT]

    def as_json(self) -> dict[str, Any]:
        """Return what is kept beside the entry."""
        return {
            "subject": self.subject,
            "subjects": list(self.subjects),
            "others": list(self.others),
            "erased_at": self.erased_at.isoformat(),
            "places": [line.as_json() for line in self.lines],
        }


def lines_of(place: str, holds: str, findings: Iterable[Finding]) -> list[Line]:
    """Return what a certificate says of a place: that nothing was there, if so."""
    found = [each for each in findings if each.rows]
    found = found or [Finding(means=Means.NOTHING_FOUND, rows=0)]
    return [Line(place=place, holds=holds, finding=each) for each in found]


def masked_value(value: Any, sought: Sequence[str]) -> Any:
    """Return JSON without the values in `sought`, also within texts, names and numbers."""
    if isinstance(value, str):
        return masked_text(value, sought)
    if isinstance(value, Mapping):
        return {masked_text(k, sought): masked_value(v, sought) for k, v in value.items()}
    if isinstance(value, list):
        return [masked_value(each, sought) for each in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return ERASED if is_number and str(value) in sought else value


def masked_text(text: str, sought: Sequence[str]) -> str:
    """Return a text without the values in `sought`, in upper or lower case."""
    for value in sought:
        text = re.sub(re.escape(value), ERASED, text, flags=re.IGNORECASE)
    return text


def with_needs(person: Person, needs: Mapping[str, Need]) -> Person:
    """Return the person with what else needs some of their subjects, and why."""
    return replace(person, needs={**person.needs, **needs})


def _long_first(value: str) -> tuple[int, str]:
    return -len(value), value

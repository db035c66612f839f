"""Searches free text and foreign data for a person: inputs of jobs, replies, errors, notes.

Our own services encrypt personal data with the person's key. Everything else is searched for
the known values of the person, table by table, when they are erased.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import (
    BinaryField,
    Case,
    F,
    Func,
    IntegerField,
    Model,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Upper

from ledger.domain.action import Proof
from ledger.domain.erasure import Finding, Means, Person, masked_text, masked_value

Rows = Callable[[], QuerySet[Any]]
Change = Callable[[Any, Sequence[str]], dict[str, Any]]
"""Takes a row and the search terms; returns the columns to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Columns with free content: text, JSON, or bytes.

    Rows that `keeps` says, or all if it is None and `because` is said, stay as they are.
    """

    rows: Rows
    columns: tuple[str, ...]
    means: Means = Means.MASKED
    change: Change | None = None
    keeps: Q | None = None
    because: str = ""

    def names(self) -> set[str]:
        """Return the columns, as `app.Model.column`."""
        table = self.rows().model._meta.label  # noqa: SLF001 (Django's own spelling)
        return {f"{table}.{column}" for column in self.columns}

    def handle(self, person: Person, proof: Proof | None) -> Iterator[Finding]:
        """Take the person's values out of the rows."""
        if not person.sought:
            return
        found = matching(self.rows(), self.columns, person.sought)
        if self.because:
            kept = found if self.keeps is None else found.filter(self.keeps)
            yield Finding(means=Means.KEPT, rows=kept.count(), because=self.because)
            if self.keeps is None:
                return
            found = found.exclude(self.keeps)
        ids = list(found.values_list("pk", flat=True))
        if proof is not None:
            self._take_away(ids, person.sought)
        yield Finding(means=self.means, rows=len(ids))

    def _take_away(self, ids: Sequence[Any], sought: Sequence[str]) -> None:
        rows = self.rows().filter(pk__in=ids)
        if self.means is Means.DELETED:
            rows.delete()
            return
        for row in rows.select_for_update().order_by("pk"):
            changes = (self.change or self._masked)(row, sought)
            type(row)._base_manager.filter(pk=row.pk).update(**changes)  # noqa: SLF001

    def _masked(self, row: Model, sought: Sequence[str]) -> dict[str, Any]:
        before = {column: getattr(row, column) for column in self.columns}
        after = {column: _without(value, sought) for column, value in before.items()}
        return {column: value for column, value in after.items() if value != before[column]}


class Search:
    """What forgets a person in a place that consists of texts: the `handle` of such a place."""

    def __init__(self, *texts: Texts) -> None:
        self.texts = texts

    def __call__(self, person: Person, proof: Proof | None) -> Iterator[Finding]:
        """Take the person's values out of all of them."""
        for each in self.texts:
            yield from each.handle(person, proof)


def matching(rows: QuerySet[Any], columns: Iterable[str], sought: Iterable[str]) -> QuerySet[Any]:
    """Return the rows in which one of the values stands, in whatever case."""
    spelled = sorted({spelling for value in sought for spelling in _spellings(value)})
    found = Q(pk__in=[])
    for number, column in enumerate(columns):
        is_bytes = isinstance(rows.model._meta.get_field(column), BinaryField)  # noqa: SLF001
        for at, text in enumerate(spelled):
            name = f"found_{number}_{at}"
            rows = rows.annotate(**{name: _place_in(column, text, is_bytes=is_bytes)})
            found |= Q(**{f"{name}__gt": 0})
    return rows.filter(found)


def _place_in(column: str, text: str, *, is_bytes: bool) -> Combinable:
    # Not LIKE: what is sought may have its wildcards in it.
    within: Combinable = Cast(F(column), TextField())
    what: Combinable = Value(text, TextField())
    if is_bytes:
        within, what = _escaped(F(column)), _escaped(Value(text.encode(), BinaryField()))
    place = Func(Upper(within), Upper(what), function="strpos", output_field=IntegerField())
    return Case(When(**{f"{column}__isnull": True}, then=Value(0)), default=place)


def _escaped(of: Combinable) -> Func:
    return Func(of, Value("escape"), function="encode", output_field=TextField())


def _spellings(value: str) -> set[str]:
    """Return how a value may stand in plain text and in JSON."""
    return {
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    }


def _without(value: Any, sought: Sequence[str]) -> Any:
    if isinstance(value, str):
        return _without_in_text(value, sought)
    return masked_value(value, sought)


def _without_in_text(text: str, sought: Sequence[str]) -> str:
    if text[:1] in {"{", "[", '"'}:
        try:
            parsed = json.loads(text)
        except ValueError:
            return masked_text(text, sought)
        return orjson.dumps(masked_value(parsed, sought)).decode()
    return masked_text(text, sought)

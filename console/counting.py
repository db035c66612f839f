"""How many rows there are, up to a bound: what only grows is not read to its end for a number."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db.models import IntegerField, QuerySet, Subquery

COUNTED_MAX: Final = 1_000


class _Count(Subquery):
    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def count_each(rows: Mapping[str, QuerySet[Any]]) -> dict[str, int]:
    """Return how many rows each of several queries finds, in one statement.

    A number above `COUNTED_MAX` means "more than `COUNTED_MAX`". Each query needs an index.
    """
    bounded = [each.order_by().values("pk")[: COUNTED_MAX + 1] for each in rows.values()]
    counts = {f"count_{place}": _Count(each) for place, each in enumerate(bounded)}
    any_row = next(iter(rows.values())).model.objects.order_by()
    # Of an empty table there is no row, and of a query that can find nothing no number.
    found = any_row.annotate(**counts).values_list(*counts).first() or [None] * len(counts)
    return {name: count or 0 for name, count in zip(rows, found, strict=True)}


def by_status(rows: QuerySet[Any], states: Iterable[Any]) -> dict[str, int]:
    """Return how many of `rows` are in each of the states of their `status`: see `count_each`."""
    return count_each({str(state): rows.filter(status=str(state)) for state in states})


def shown(count: int) -> str:
    """Return a bounded count as a page shows it."""
    return f"{COUNTED_MAX:,}+" if count > COUNTED_MAX else f"{count:,}"

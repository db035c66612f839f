"""One page of a list, and the links to the pages beside it. The address says which page it is."""

from typing import Any, Final

from django.db.models import QuerySet
from django.http import QueryDict

PAGE_ROWS: Final = 50

Links = dict[str, str | None]


def page_of(
    query: QueryDict, rows: QuerySet[Any], *, key: str = "pk", size: int = PAGE_ROWS
) -> tuple[list[Any], Links]:
    """Return the first `size` of `rows`, and the links; `key` is what the next page begins after.

    One row more is read, to know whether there are older ones: nothing is counted.
    """
    found = list(rows[: size + 1])
    shown = found[:size]
    return shown, page_links(query, getattr(shown[-1], key) if len(found) > size else None)


def page_links(query: QueryDict, oldest: Any) -> Links:
    """Return the links to the older page and back to the newest one, filters kept.

    `oldest` is what the older page begins after; None if there is no older one.
    """
    return {
        "older": _with(query, before=str(oldest)) if oldest is not None else None,
        "newest": _with(query) if "before" in query else None,
    }


def _with(query: QueryDict, **changes: str) -> str:
    changed = query.copy()
    changed.pop("before", None)
    changed.update(changes)
    return f"?{changed.urlencode()}"

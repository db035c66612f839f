"""The tabs above a list: a filter by status, in the URL."""

from dataclasses import dataclass

from django.http import QueryDict
from django.urls import reverse


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A status as a filter. `count` is as it is shown, and None where it is not counted; `label` is
    its other name.
    """

    state: str
    url: str
    count: str | None
    is_current: bool
    label: str = ""


def tab_of(
    list_name: str, query: QueryDict, state: str, *, count: int | str | None = None, label: str = ""
) -> Tab:
    """Return the tab of a status over the list called `list_name`; "" is that of all of it.

    A `count` that is a number is exact.

    The other filters of `query` stay; the place in the list does not.
    """
    changed = query.copy()
    changed.pop("before", None)
    changed.pop("status", None)
    if state:
        changed["status"] = state
    address = reverse(list_name)
    return Tab(
        state=state,
        url=f"{address}?{changed.urlencode()}" if changed else address,
        count=f"{count:,}" if isinstance(count, int) else count,
        is_current=query.get("status", "") == state,
        label=label,
    )

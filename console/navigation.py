"""The way through the console: only what the visitor may open, in rooms."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page in the navigation. Without a capability, being logged in is enough."""

    label: str
    view: str
    icon: str
    capability: str | None = None
    staff_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    label: str
    url: str
    icon: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    label: str
    entries: list[Entry]


ROOMS: dict[str, list[Place]] = {
    "Overview": [Place(label="Home", view="console:home", icon="home")],
    "House": [Place(label="Admin", view="admin:index", icon="admin", staff_only=True)],
}


def navigation(request: HttpRequest) -> dict[str, list[Group]]:
    """Offer `navigation` to every template (a context processor)."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"navigation": []}
    groups = (
        Group(label=label, entries=list(_entries(request, places)))
        for label, places in ROOMS.items()
    )
    return {"navigation": [group for group in groups if group.entries]}


def _entries(request: HttpRequest, places: list[Place]) -> Iterator[Entry]:
    for place in places:
        if not _may_open(request, place):
            continue
        url = reverse(place.view)
        yield Entry(
            label=place.label,
            url=url,
            icon=place.icon,
            is_current=request.path == url or (url != "/" and request.path.startswith(f"{url}/")),
        )


def _may_open(request: HttpRequest, place: Place) -> bool:
    if place.staff_only:
        return request.user.is_staff
    return True

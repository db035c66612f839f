"""The navigation of the console: only pages that the visitor may open, grouped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from ledger import selectors
from ledger.access import authority

Opens = Callable[[HttpRequest], bool]
Counts = Callable[[HttpRequest], int]


def _to_everybody(request: HttpRequest) -> bool:
    return True


def _to_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_staff)


def _to_holders_of(capability_id: str) -> Opens:
    def opens(request: HttpRequest) -> bool:
        return authority.holds(request, capability_id)

    return opens


def _to_holders_somewhere_of(capability_id: str) -> Opens:
    def opens(request: HttpRequest) -> bool:
        return authority.caller_of(request).holds_somewhere(capability_id)

    return opens


def _to_readers_of_streams(request: HttpRequest) -> bool:
    return bool(authority.readable_kinds(request))


def _waiting_for(request: HttpRequest) -> int:
    """Return how many approvals wait for the visitor."""
    return selectors.approvals_to_decide(authority.caller_of(request)).count()


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """A page in the navigation, and to whom it is open. The page itself checks again.

    `counts` is its badge; it may change with the events of the streams of kind `counted`.
    """

    label: str
    view: str
    icon: str
    opens: Opens = _to_everybody
    counts: Counts | None = None
    counted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuLink:
    label: str
    url: str
    icon: str
    is_current: bool
    badge: int = 0
    counted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuGroup:
    label: str
    links: list[MenuLink]


MENU: dict[str, list[MenuItem]] = {
    "Overview": [
        MenuItem(label="Home", view="console:home", icon="home"),
    ],
    "Record": [
        MenuItem(
            label="Events", view="console:events", icon="events", opens=_to_readers_of_streams
        ),
        MenuItem(label="Jobs", view="console:jobs", icon="jobs", opens=_to_holders_of("job.read")),
        MenuItem(
            label="Webhooks",
            view="console:webhooks",
            icon="webhooks",
            opens=_to_holders_of("webhook.read"),
        ),
    ],
    "Workflows": [
        MenuItem(
            label="Flows", view="console:flows", icon="flows", opens=_to_holders_of("flow.read")
        ),
        MenuItem(
            label="Steps", view="console:steps", icon="steps", opens=_to_holders_of("step.read")
        ),
        MenuItem(
            label="Starts", view="console:starts", icon="clock", opens=_to_holders_of("flow.read")
        ),
    ],
    "Authority": [
        MenuItem(
            label="Approvals",
            view="console:approvals",
            icon="approvals",
            opens=_to_holders_of("approval.read"),
            counts=_waiting_for,
            counted="approval",
        ),
        MenuItem(
            label="Policies",
            view="console:policies",
            icon="policies",
            opens=_to_holders_of("approval_policy.read"),
        ),
        MenuItem(
            label="Seals",
            view="console:seals",
            icon="seal",
            opens=_to_holders_of("ledger.read"),
        ),
    ],
    "Trade": [
        MenuItem(
            label="Bookings",
            view="console:bookings",
            icon="bookings",
            opens=_to_holders_somewhere_of("booking.read"),
        ),
        MenuItem(
            label="Invoices",
            view="console:invoices",
            icon="invoices",
            opens=_to_holders_somewhere_of("invoice.read"),
        ),
        MenuItem(
            label="Document accesses",
            view="console:accesses",
            icon="key",
            opens=_to_holders_of("document_access.read"),
        ),
    ],
    "System": [
        MenuItem(
            label="Doctor",
            view="console:doctor",
            icon="doctor",
            opens=_to_holders_of("system.health"),
        ),
        MenuItem(label="Admin", view="admin:index", icon="admin", opens=_to_staff),
    ],
}


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Offer `navigation` to every template (a context processor), made where one shows it.

    The pages of the admin do not: they would count, for nothing, what waits for the visitor.
    A form that was refused is shown at the URL it was sent to, which has no GET:
    `page_of_form` is where it stood.
    """
    return {
        "navigation": SimpleLazyObject(lambda: _menu_for(request)),
        "page_of_form": SimpleLazyObject(lambda: authority.page_of(request)),
    }


def _menu_for(request: HttpRequest) -> list[MenuGroup]:
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return []
    here = _item_around(request.path)
    groups = (
        MenuGroup(label=label, links=list(_links(request, items, here)))
        for label, items in MENU.items()
    )
    return [group for group in groups if group.links]


def badges(request: HttpRequest) -> dict[str, int]:
    """Return the badges that the visitor has now, by what they count."""
    return {
        item.counted: item.counts(request)
        for items in MENU.values()
        for item in items
        if item.counts and item.opens(request)
    }


def _item_around(path: str) -> str | None:
    """Return the address of the item around `path`: the longest, for one may lie in another."""
    urls = [reverse(item.view) for items in MENU.values() for item in items]
    around = [url for url in urls if path == url or (url != "/" and path.startswith(f"{url}/"))]
    return max(around, key=len, default=None)


def _links(request: HttpRequest, items: list[MenuItem], here: str | None) -> Iterator[MenuLink]:
    for item in items:
        if not item.opens(request):
            continue
        url = reverse(item.view)
        yield MenuLink(
            label=item.label,
            url=url,
            icon=item.icon,
            badge=item.counts(request) if item.counts else 0,
            counted=item.counted,
            is_current=url == here,
        )

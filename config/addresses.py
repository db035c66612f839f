"""Find the view of an address of the API without asking every address that there is."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

Addresses = Sequence[URLPattern | URLResolver]


class _Within(RoutePattern):
    """Lets pass what begins with a segment, and takes nothing off it."""

    def __init__(self, segment: str) -> None:
        super().__init__("")
        self._segment = segment

    def match(self, path: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
        """Return all of `path`, if it is for us."""
        return (path, (), {}) if path.partition("/")[0] == self._segment else None


def by_first_segment(rooms: Addresses) -> list[URLResolver]:
    """Return the addresses of `rooms`, in their order, those of each first segment together.

    Django tries one pattern after the other: nearly a hundred of them took a request longer
    than what its body says.
    """
    together: dict[str, list[URLPattern | URLResolver]] = {}
    for address in _each(rooms):
        segment = str(address.pattern).partition("/")[0]
        assert "<" not in segment, f"{address} could begin with anything"
        together.setdefault(segment, []).append(address)
    return [URLResolver(_Within(segment), within) for segment, within in together.items()]


def _each(addresses: Addresses) -> Iterator[URLPattern | URLResolver]:
    for address in addresses:
        if isinstance(address, URLResolver) and not str(address.pattern):
            yield from _each(address.url_patterns)
        else:
            yield address

"""Resolves API URLs through an index of prefixes, instead of trying every pattern."""

from collections.abc import Iterator, Mapping, Sequence

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

Addresses = Sequence[URLPattern | URLResolver]


class _BySegment(URLResolver):
    """Asks only the addresses that begin as a path does."""

    def __init__(self, together: Mapping[str, Addresses]) -> None:
        self._within = {
            segment: URLResolver(RoutePattern(""), list(addresses))
            for segment, addresses in together.items()
        }
        super().__init__(RoutePattern(""), list(self._within.values()))

    def resolve(self, path: str) -> ResolverMatch:
        """Return the match of the first address that is for `path`.

        :raises Resolver404: if none is.
        """
        within = self._within.get(path.partition("/")[0])
        if within is None:
            raise Resolver404({"path": path, "tried": []})
        return within.resolve(path)


def by_first_segment(apps: Addresses) -> list[URLResolver]:
    """Return one address for all of `apps`, in their order, indexed by their first segments.

    Django tries one pattern after the other: nearly a hundred of them took longer than parsing the
    body of a request.
    """
    together: dict[str, list[URLPattern | URLResolver]] = {}
    for address in _each(apps):
        segment = str(address.pattern).partition("/")[0]
        assert "<" not in segment, f"{address} could begin with anything"
        together.setdefault(segment, []).append(address)
    return [_BySegment(together)]


def _each(addresses: Addresses) -> Iterator[URLPattern | URLResolver]:
    for address in addresses:
        if isinstance(address, URLResolver) and not str(address.pattern):
            yield from _each(address.url_patterns)
        else:
            yield address

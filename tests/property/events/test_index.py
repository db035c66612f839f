"""The index finds exactly the subscriptions that match, each once."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.domain.subscription import Subscribe, minimal
from events.fanout.subscriptions import Index, Subscription

paths = st.lists(st.sampled_from("ab"), max_size=3).map(tuple)
names = st.sampled_from(["a.b", "a.c", "d.e"])
wishes = st.builds(
    lambda number, prefixes, patterns: Subscribe(
        sub_id=str(number), prefixes=minimal(prefixes), patterns=tuple(patterns)
    ),
    st.integers(0, 99),
    st.lists(paths, max_size=3),
    st.lists(names | st.just("a.*"), max_size=2),
)
NO_SESSION: Any = None


@given(st.lists(wishes, max_size=6), st.data(), paths, names)
def test_it_finds_what_matches_and_nothing_twice(
    asked: list[Subscribe], data: st.DataObject, stream: tuple[str, ...], name: str
) -> None:
    subscriptions = [Subscription(NO_SESSION, requested, cursor=0) for requested in asked]
    index = Index()
    for subscription in subscriptions:
        index.add(subscription)
    gone = {one for one in subscriptions if data.draw(st.booleans())}
    for subscription in gone:
        index.discard(subscription)

    found = list(index.matching(stream, name))

    expected = [
        one for one in subscriptions if one not in gone and one.requested.matches(stream, name)
    ]
    assert sorted(map(id, found)) == sorted(map(id, expected))

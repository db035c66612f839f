"""Whatever a client sends is understood or refused; a minimal filter means the same."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.domain.subscription import BadMessage, Subscribe, Unsubscribe, covers, minimal, parse

paths = st.lists(st.sampled_from("abc"), max_size=4).map(tuple)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
fields = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe"]) | anything},
    optional={
        name: anything | st.lists(st.lists(st.text()))
        for name in ("sub_id", "aggregate_ids", "event_types", "include_state", "after", "data")
    },
)


@given(st.text() | fields.map(json.dumps) | anything.map(json.dumps))
def test_every_message_is_understood_or_refused(raw: str) -> None:
    try:
        message: Any = parse(raw)
    except BadMessage as refused:
        message = refused

    assert isinstance(message, Subscribe | Unsubscribe | BadMessage)
    assert str(message)


@given(st.lists(paths), paths)
def test_minimal_prefixes_match_what_all_of_them_match(
    prefixes: list[tuple[str, ...]], stream: tuple[str, ...]
) -> None:
    asked = Subscribe(sub_id="s", prefixes=minimal(prefixes))

    wanted = not prefixes or any(covers(prefix, stream) for prefix in prefixes)

    assert asked.matches(stream, "a.b") is wanted


@given(st.lists(paths, min_size=1), paths)
def test_at_most_one_minimal_prefix_covers_a_stream(
    prefixes: list[tuple[str, ...]], stream: tuple[str, ...]
) -> None:
    assert sum(covers(prefix, stream) for prefix in minimal(prefixes)) <= 1


@given(
    sub_id=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=50),
    path=st.lists(st.sampled_from(["flow", "f/1", "ä", "~"]), min_size=1, max_size=4),
    after=st.none() | st.integers(0, 2**53 - 1),
)
def test_a_subscription_survives_the_wire(sub_id: str, path: list[str], after: Any) -> None:
    raw = json.dumps(
        {"type": "subscribe", "sub_id": sub_id, "aggregate_ids": [path], "after": after}
    )

    wish = parse(raw)

    assert wish == Subscribe(
        sub_id=sub_id, aggregates=(tuple(path),), prefixes=(tuple(path),), after=after
    )

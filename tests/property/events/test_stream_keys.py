from hypothesis import given
from hypothesis import strategies as st

from events.domain.streams import key_of, key_range, stream_of

# Short, and rich in what the encoding itself uses.
elements = st.text(st.sampled_from("a~/01.é%_ "), min_size=1, max_size=4) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
)
streams = st.lists(elements, min_size=1, max_size=4).map(tuple)


@given(streams)
def test_a_key_is_read_back_as_its_stream(stream: tuple[str, ...]) -> None:
    assert stream_of(key_of(stream)) == stream


@given(streams, streams)
def test_one_stream_begins_with_another_exactly_if_its_key_does(
    stream: tuple[str, ...], other: tuple[str, ...]
) -> None:
    is_prefix = other[: len(stream)] == stream

    assert key_of(other).startswith(key_of(stream)) == is_prefix


@given(streams, streams)
def test_a_key_lies_in_the_range_of_a_prefix_exactly_if_it_begins_with_it(
    prefix: tuple[str, ...], other: tuple[str, ...]
) -> None:
    low, high = (bound.encode() for bound in key_range(prefix))

    # Byte order is what the database compares: COLLATE "C".
    assert (low <= key_of(other).encode() < high) == key_of(other).startswith(key_of(prefix))


@given(streams, st.lists(elements, max_size=3))
def test_all_that_is_under_a_prefix_is_in_its_range(
    prefix: tuple[str, ...], rest: list[str]
) -> None:
    low, high = (bound.encode() for bound in key_range(prefix))

    assert low <= key_of((*prefix, *rest)).encode() < high

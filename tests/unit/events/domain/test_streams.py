import pytest

from events.domain.envelope import Stream
from events.domain.streams import (
    KEY_CHARS_MAX,
    StreamMalformed,
    StreamTooLong,
    key_of,
    key_range,
    stream_of,
)


@pytest.mark.parametrize(
    ("stream", "key"),
    [
        (("catalog",), "catalog/"),
        (("invoice", "7"), "invoice/7/"),
        (("flow", "a/b"), "flow/a~1b/"),
        (("flow", "a~1b"), "flow/a~01b/"),
        (("flow", "größe 1", "%_"), "flow/größe 1/%_/"),
    ],
)
def test_a_stream_and_its_key_stand_for_each_other(stream: Stream, key: str) -> None:
    assert key_of(stream) == key
    assert stream_of(key) == stream


@pytest.mark.parametrize("stream", [(), ("",), ("a", ""), ("a", "\0"), ("a", "\ud800"), ("a", 7)])
def test_refuses_what_names_no_stream(stream: Stream) -> None:
    with pytest.raises(StreamMalformed):
        key_of(stream)


def test_refuses_a_key_that_no_index_holds() -> None:
    assert len(key_of(("x" * (KEY_CHARS_MAX - 1),))) == KEY_CHARS_MAX

    with pytest.raises(StreamTooLong) as refusal:
        key_of(("x" * KEY_CHARS_MAX,))

    assert str(refusal.value) == "The stream key has 513 characters."


def test_the_range_of_a_prefix_ends_before_its_neighbours() -> None:
    low, high = key_range(("invoice",))

    keys = ["invoice.", "invoice/", "invoice/7/", "invoice/7/lines/", "invoice0", "invoices/"]

    assert [key for key in keys if low <= key < high] == keys[1:4]

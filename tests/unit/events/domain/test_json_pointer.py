"""JSON pointers, as RFC 6901 writes them."""

import pytest

from events.domain.json_pointer import pointer_to


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ((), ""),
        (("a",), "/a"),
        (("a", 0, "b"), "/a/0/b"),
        (("a/b", "c~d", "~1"), "/a~1b/c~0d/~01"),
        (("",), "/"),
    ],
)
def test_says_where_something_is(path: tuple[object, ...], pointer: str) -> None:
    assert pointer_to(*path) == pointer

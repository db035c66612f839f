import pytest

from events.domain.texts import shortened


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("abcd", "abcd"), ("abcde", "abc…"), ("abcdefgh", "abc…")]
)
def test_what_is_cut_off_is_seen(text: str, expected: str) -> None:
    assert shortened(text, 4) == expected

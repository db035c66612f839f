import pytest

from events.domain.canonical import canonical, fingerprint, first_difference


def test_equal_values_have_equal_bytes() -> None:
    assert canonical({"b": 1.0, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
    assert canonical({"a": "ü", "b": 1}) == canonical({"b": 1.0, "a": "ü"})


def test_a_kind_of_text_is_written_as_text() -> None:
    class Word(str):
        __slots__ = ()

    assert canonical({"b": [Word("é")], "a": Word("x")}) == '{"a":"x","b":["é"]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), 2**53])
def test_refuses_what_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError, match=r"representable|domain"):
        canonical(value)


def test_the_fingerprint_is_the_sha256_of_the_bytes() -> None:
    assert fingerprint({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize(
    ("left", "right", "place"),
    [
        ({"a": [1, 2]}, {"a": [1, 2.0]}, None),
        ({"a": [1, 2]}, {"a": [1, 3]}, "/a/1"),
        ({"a": [1]}, {"a": [1, 2]}, "/a/1"),
        ({"a": 1}, {"b": 1}, "/a"),
        ({"a": 1, "b/c": {"~": 1}}, {"a": 1, "b/c": {"~": 2}}, "/b~1c/~0"),
        ([], {}, "/"),
        (1, True, "/"),
        (None, 0, "/"),
    ],
)
def test_names_the_first_place_that_differs(left: object, right: object, place: str | None) -> None:
    assert first_difference(left, right) == place

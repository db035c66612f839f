import re

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import api_key

PREFIX = "0a1b2c3d4e5f"


class TestWrittenKey:
    @given(st.binary(min_size=32, max_size=32))
    def test_is_read_as_it_was_written(self, secret: bytes) -> None:
        key = api_key.write(prefix=PREFIX, random_bytes=secret)

        assert api_key.read(key.text) == key
        assert re.fullmatch(api_key.SCANNER_PATTERN, key.text)

    @given(st.binary(min_size=32, max_size=32), st.integers(21, 69))
    def test_with_one_character_changed_is_not_a_key(self, secret: bytes, place: int) -> None:
        text = api_key.write(prefix=PREFIX, random_bytes=secret).text
        other = "A" if text[place] != "A" else "B"

        assert api_key.read(text[:place] + other + text[place + 1 :]) is None

    def test_never_shows_its_secret(self) -> None:
        key = api_key.write(prefix=PREFIX, random_bytes=bytes(range(32)))

        assert key.text[-20:] not in f"{key} {key!r}"
        assert str(key) == "daybook_0a1b2c3d4e5f_…"

    def test_different_bytes_make_different_keys(self) -> None:
        low = api_key.write(prefix=PREFIX, random_bytes=bytes(32))
        high = api_key.write(prefix=PREFIX, random_bytes=b"\xff" * 32)

        assert low.text != high.text
        assert len(low.text) == len(high.text)

    @given(st.binary(min_size=8, max_size=8))
    def test_has_a_prefix_of_lower_case_and_digits(self, some: bytes) -> None:
        assert re.fullmatch("[0-9a-z]{12}", api_key.prefix_from(some))

    @given(st.text())
    def test_refuses_any_other_text(self, text: str) -> None:
        assert api_key.read(text) is None

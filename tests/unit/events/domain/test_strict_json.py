import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.domain import strict_json
from events.domain.strict_json import JsonMalformed, JsonTooLarge

MALFORMED = {
    "not a number": b'{"a":NaN}',
    "infinite": b'{"a":-Infinity}',
    "overflows to infinite": b'{"a":1e999}',
    "overflows without an exponent": b"1" * 400 + b".5",
    "same key twice": b'{"a":1,"a":2}',
    "same key twice, deep inside": b'[{"b":{"a":1,"\\u0061":2}}]',
    "escaped NUL": b'"\\u0000"',
    "raw NUL in a string": b'"\x00"',
    "NUL as a key": b'{"\\u0000":1}',
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'{"a":["\\uDC00"]}',
    "surrogate encoded as UTF-8": b'"\xed\xa0\x80"',
    "not UTF-8": b"\xff",
    "overlong UTF-8": b'"\xc0\xaf"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "too deep": b"[" * 65 + b"]" * 65,
    "far too deep": b"[" * 100_000 + b"]" * 100_000,
    "too deep, objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "one above 2**53 - 1": b'{"a":9007199254740992}',
    "one below -(2**53 - 1)": b"-9007199254740992",
    "thousands of digits": b"9" * 5000,
    "empty": b"",
    "blank": b" \n",
    "trailing garbage": b'{"a":1}x',
    "two documents": b"{} {}",
    "trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "a comment": b"{}//",
    "leading zero": b"01",
    "leading plus": b"+1",
    "hexadecimal": b"0x10",
    "control character in a string": b'"\n"',
    "unterminated string": b'"abc',
    "unterminated escape": b'"abc\\',
    "bracket that was never opened": b"]" * 70,
}

WELL_FORMED = {
    "depth 64": b"[" * 64 + b"]" * 64,
    "brackets inside a string": b'"' + b"[" * 100_000 + b'"',
    "escaped quotes before brackets": b'"\\"' + b"[" * 100 + b'"',
    "2**53 - 1": b"9007199254740991",
    "the same, negative": b"-9007199254740991",
    "a long digit string": b'"' + b"9" * 5000 + b'"',
    "a large float": b"1e308",
    "a float with many digits": b"0.12345678901234567890123",
    "an escaped backslash before u0000": b'"\\\\u0000"',
    "a surrogate pair": b'"\\ud83d\\ude00"',
    "blanks around": b" {} \n",
    "a bare string": b'"x"',
    "null": b"null",
}


class TestLoads:
    @pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
    def test_refuses_what_is_not_strict_json(self, raw: bytes) -> None:
        with pytest.raises(JsonMalformed):
            strict_json.loads(raw)

    @pytest.mark.parametrize("raw", WELL_FORMED.values(), ids=WELL_FORMED.keys())
    def test_reads_the_rest_as_python_does(self, raw: bytes) -> None:
        assert strict_json.loads(raw) == json.loads(raw)

    def test_refuses_more_bytes_than_allowed_before_reading_them(self) -> None:
        assert strict_json.loads(b'"x"', bytes_max=3) == "x"
        with pytest.raises(JsonTooLarge):
            strict_json.loads(b'"xx"', bytes_max=3)

    def test_counts_bytes_also_of_a_text_frame(self) -> None:
        with pytest.raises(JsonTooLarge):
            strict_json.loads('"é"', bytes_max=3)

    def test_refuses_a_text_frame_with_a_lone_surrogate(self) -> None:
        with pytest.raises(JsonMalformed):
            strict_json.loads('"\ud800"')

    def test_never_echoes_what_was_sent(self) -> None:
        with pytest.raises(JsonMalformed) as refused:
            strict_json.loads(b'{"password": hunter2}')

        assert "hunter2" not in str(refused.value)
        assert refused.value.facts == {"position": 13}

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53) + 1, 2**53 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            lambda inner: (
                st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=4), inner)
            ),
            max_leaves=12,
        )
    )
    def test_gives_back_whatever_json_can_say(self, value: object) -> None:
        assert strict_json.loads(json.dumps(value)) == value

    @given(st.binary())
    def test_refuses_arbitrary_bytes_without_surprises(self, raw: bytes) -> None:
        try:
            value = strict_json.loads(raw)
        except JsonMalformed:
            return

        assert strict_json.loads(json.dumps(value)) == value

    def test_takes_linear_time_on_quotes_that_never_end(self) -> None:
        started = time.thread_time()
        with pytest.raises(JsonMalformed):
            strict_json.loads(b'"' + b'\\"' * 400_000)

        assert time.thread_time() - started < 2  # Quadratic time would take minutes.

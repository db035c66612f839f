"""JSON as Argyll's clients know it to be read, and the words for what is broken."""

from typing import Any

import pytest

from workflows.flows.domain import decoder
from workflows.flows.domain.decoder import Undecodable

BROKEN = [
    (b"", "EOF"),
    (b" \n", "EOF"),
    (b'{"a":', "unexpected EOF"),
    (b'"open', "unexpected EOF"),
    (b"-", "unexpected EOF"),
    (b"{a}", "invalid character 'a' looking for beginning of object key string"),
    (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    (b'{"a":01}', "invalid character '1' after object key:value pair"),
    (b"[1 2]", "invalid character '2' after array element"),
    (b"[[1],[2}", "invalid character '}' after array element"),
    (b"[1,]", "invalid character ']' looking for beginning of value"),
    (b"[NaN]", "invalid character 'N' looking for beginning of value"),
    (b"[-Infinity]", "invalid character 'I' in numeric literal"),
    (b"[1.x]", "invalid character 'x' after decimal point in numeric literal"),
    (b"[1ex]", "invalid character 'x' in exponent of numeric literal"),
    (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
    (b'"\\x"', "invalid character 'x' in string escape code"),
    (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
    (b'"a\nb"', "invalid character '\\n' in string literal"),
    (b"'a'", "invalid character '\\'' looking for beginning of value"),
    ("é".encode(), "invalid character 'Ã' looking for beginning of value"),
]


class TestDecoder:
    @pytest.mark.parametrize(("raw", "reason"), BROKEN)
    def test_says_where_a_document_breaks_off(self, raw: bytes, reason: str) -> None:
        with pytest.raises(Undecodable) as undecodable:
            decoder.first_value(raw)

        assert str(undecodable.value) == reason

    @pytest.mark.parametrize(
        ("raw", "value"),
        [
            (b'{"a":1,"a":2}', {"a": 2}),
            (b"5.0", 5),
            (b"1e2", 100),
            (b"12345678901234567890", 1.2345678901234567e19),
            (b"9007199254740991", 9007199254740991),
            (b'"\\ud83d\\ude00 \\ud800"', "\U0001f600 \ufffd"),
            (b'"\xff"', "\ufffd"),
            (b'{"a":1} and more', {"a": 1}),
        ],
    )
    def test_takes_numbers_as_doubles_and_texts_as_far_as_they_can_be_read(
        self, raw: bytes, value: Any
    ) -> None:
        found = decoder.first_value(raw)

        assert (found, type(found)) == (value, type(value))

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"1e400", "cannot unmarshal number 1e400 into Go value of type float64"),
            (b"9" * 5000, "cannot unmarshal number 999"),
            (b'["\\u0000"]', "a text has a NUL"),
            (b'{"\\u0000":1}', "a text has a NUL"),
            (b"[" * 49 + b"]" * 49, "nested more than 48 levels deep"),
            (b"[" * 100_000, "nested more than 48 levels deep"),
        ],
    )
    def test_refuses_what_no_event_can_carry(self, raw: bytes, reason: str) -> None:
        with pytest.raises(Undecodable, match=reason):
            decoder.first_value(raw)

    def test_says_what_breaks_off_however_deep(self) -> None:
        with pytest.raises(Undecodable, match="invalid character 'x' looking for beginning"):
            decoder.first_value(b'{"a":[' * 350 + b"x")

    def test_of_one_value_refuses_a_second_one(self) -> None:
        assert decoder.only_value(b" [1] ") == [1]
        with pytest.raises(Undecodable, match="invalid character 'x' after top-level value"):
            decoder.only_value(b"[1] x")
        with pytest.raises(Undecodable, match="unexpected end of JSON input"):
            decoder.only_value(b"[1")

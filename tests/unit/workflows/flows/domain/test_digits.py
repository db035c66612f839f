"""Large whole numbers, as Argyll writes them."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.flows.domain import digits


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.2345678901234567e19, 12345678901234567000),
        (2.0**53, 9007199254740992),
        (-(2.0**63), -(2.0**63)),
        (1e20, 1e20),
        (1.5, 1.5),
        (5, 5),
        (True, True),
        ({"a": [1e16, "1e16", None]}, {"a": [10**16, "1e16", None]}),
    ],
)
def test_are_in_their_shortest_digits_as_far_as_64_bits_go(value: Any, written: Any) -> None:
    found = digits.in_digits(value)

    assert orjson.dumps(found) == orjson.dumps(written)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_are_the_same_doubles_as_before(value: float) -> None:
    assert float(digits.in_digits(value)) == value


@given(st.floats(min_value=2.0**53, max_value=2.0**63) | st.integers() | st.text())
def test_are_never_overlooked(value: float | int | str) -> None:
    if digits.in_digits(value) != value or isinstance(value, float):
        assert digits.has_exponents(orjson.dumps(value))

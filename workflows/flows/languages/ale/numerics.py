"""Arithmetic: integers, floats and ratios, each turned into the other's kind where they meet."""

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any

from workflows.flows.languages import allowance
from workflows.flows.languages.ale.values import AleError, type_name

INTEGER_BITS_MAX = 4096

Operation = Callable[..., Any]


def number(value: Any) -> Any:
    """Return a number as it is.

    :raises AleError: in the words of the original, if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        # The first method of a number by name, whatever was wanted of it.
        name = type_name(value)
        raise AleError(f"interface conversion: {name} is not data.Number: missing method Add")
    return value


def bounded(value: Any) -> Any:
    """Return a result as it is, a whole ratio as an integer.

    :raises AleError: if it, or a part of a ratio, has more bits than a number may have.
    """
    allowance.tick()
    if isinstance(value, Fraction):
        if value.denominator != 1:
            bounded(value.numerator)
            bounded(value.denominator)
            return value
        value = value.numerator
    if isinstance(value, int) and value.bit_length() > INTEGER_BITS_MAX:
        raise AleError(f"number too large: more than {INTEGER_BITS_MAX} bits")
    return value


def plus(*values: Any) -> Any:
    return reduce(lambda a, b: bounded(a + number(b)), values, 0)


def times(*values: Any) -> Any:
    return reduce(lambda a, b: bounded(a * number(b)), values, 1)


def minus(first: Any, *rest: Any) -> Any:
    if not rest:
        return -number(first)
    return reduce(lambda a, b: bounded(a - number(b)), rest, number(first))


def divided(first: Any, *rest: Any) -> Any:
    values = (first, *rest) if rest else (1, first)
    return reduce(_quotient, (number(value) for value in values))


def _quotient(left: Any, right: Any) -> Any:
    if isinstance(left, float) or isinstance(right, float):
        return _as_floats(left, right, operator.truediv)
    if right == 0:
        raise AleError("divide by zero")
    return bounded(Fraction(left) / Fraction(right))


def _as_floats(left: Any, right: Any, operate: Operation) -> float:
    """Divide as floats are divided: zero is a divisor like others."""
    if right != 0:
        return float(operate(float(left), float(right)))
    if operate is operator.mod or left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def modulo(left: Any, right: Any, *more: Any) -> Any:
    return reduce(_remainder, (number(value) for value in (left, right, *more)))


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, float) or isinstance(right, float):
        return _as_floats(left, right, operator.mod)
    if right == 0:
        raise AleError("divide by zero")
    return left % right


def chain(holds: Callable[[Any, Any], bool]) -> Operation:
    def compare(first: Any, *rest: Any) -> bool:
        numbers = [number(value) for value in (first, *rest)]
        return all(holds(a, b) for a, b in pairwise(numbers))

    return compare

"""Digests under the keys of an installation: made with the first, compared under each of them."""

from collections.abc import Sequence
from typing import Any, Self


class Keyed(str):
    """A keyed digest: what the first key makes of a value. `under` has what each of them does."""

    __slots__ = ("under",)
    under: tuple[str, ...]

    def __new__(cls, under: Sequence[str]) -> Self:
        self = super().__new__(cls, under[0])
        self.under = tuple(under)
        return self

    def __getnewargs__(self) -> tuple[tuple[str, ...]]:  # type: ignore[override]
        return (self.under,)  # To be copied with all of them.


def under(value: Any, number: int) -> Any:
    """Return JSON as it would say it if the key of this number, from 0, were the first."""
    if type(value) is Keyed:
        return value.under[number]
    if isinstance(value, dict):
        return {name: under(each, number) for name, each in value.items()}
    if isinstance(value, list):
        return [under(each, number) for each in value]
    return value

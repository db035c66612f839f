"""Which events of one stream somebody looks for."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sought:
    """Events of one of these names; with `member`, those whose data has one of `values` there."""

    names: tuple[str, ...]
    member: str = ""
    values: Collection[str] = ()

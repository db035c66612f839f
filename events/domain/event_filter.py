"""Selects events of one stream by name, and by a value in their data."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of one of these names; with `member`, those whose data has one of `values` in it."""

    names: tuple[str, ...]
    member: str = ""
    values: Collection[str] = ()

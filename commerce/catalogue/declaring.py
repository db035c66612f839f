"""Helpers to declare the domain and internal events of commerce."""

from typing import Any

from events.catalogue import declare
from events.domain.envelope import Category


def fact(name: str, meaning: str, *, schema: dict[str, Any], stream: str, **rest: Any) -> None:
    """Declare a milestone of the business."""
    declare(name, category=Category.DOMAIN, meaning=meaning, schema=schema, stream=stream, **rest)


def note(name: str, meaning: str, *, schema: dict[str, Any], stream: str) -> None:
    """Declare a signal for subscribers and diagnostics."""
    declare(name, category=Category.INTERNAL, meaning=meaning, schema=schema, stream=stream)

"""System checks of this app."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from events import catalogue
from events.domain.catalogue import EventType
from events.domain.envelope import Category


@register()
def check_catalogue(**_: Any) -> list[CheckMessage]:
    """Check that every declaration in the catalogue is unique and can be satisfied."""
    messages: list[CheckMessage] = [_declared_twice(name) for name in catalogue.clashes()]
    for type_ in catalogue.all_types():
        messages += _problems(type_)
    return messages


def _declared_twice(name: str) -> CheckMessage:
    return Error(
        f"{name} is declared twice, differently.",
        hint="A name means one thing for ever. Give the new fact a name of its own.",
        id="events.E001",
    )


def _problems(type_: EventType) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    if type_.external and not type_.schema.get("properties"):
        problems.append(
            Error(
                f"{type_.name} is external, but its schema names no properties.",
                hint="What may be sent out is a list: give the schema its properties.",
                id="events.E002",
            )
        )
    if type_.stream is not None and catalogue.stream_kind(type_.stream) is None:
        problems.append(
            Error(
                f"{type_.name} goes to streams of kind {type_.stream}, which is not declared.",
                hint="Say declare_stream(kind, meaning=…, read=…) in the catalogue of the app.",
                id="events.E003",
            )
        )
    if type_.category is Category.DOMAIN and type_.stream is None:
        problems.append(
            Error(
                f"{type_.name} is a domain event without a kind of stream.",
                hint="Domain events are recorded: name the kind of stream of their subject.",
                id="events.E004",
            )
        )
    return problems

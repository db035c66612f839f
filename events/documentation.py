"""Generates docs/events.md from the catalogue."""

import json
from collections.abc import Iterator

from events import catalogue
from events.domain.catalogue import EventType

_HEAD = """# Events

Made by `manage.py events_docs` from the catalogue; do not edit. Every event has the same
envelope; below is what its `data` holds. External events may be sent out by webhook,
without the fields marked as redacted.

## Streams

| kind | what it records | capability to read it |
| --- | --- | --- |
"""


def markdown() -> str:
    """Return the text of docs/events.md."""
    streams = "".join(
        f"| `{kind.kind}` | {kind.meaning} | `{kind.read}` |\n" for kind in catalogue.all_streams()
    )
    return _HEAD + streams + "\n## Events\n" + "".join(map(_entry, catalogue.all_types()))


def _entry(type_: EventType) -> str:
    facts = ", ".join(_facts(type_))
    schema = json.dumps(type_.schema, indent=2, ensure_ascii=False)
    return f"\n### {type_.name}\n\n{type_.meaning}\n\n{facts}\n\n```json\n{schema}\n```\n"


def _facts(type_: EventType) -> Iterator[str]:
    yield f"version {type_.version}"
    yield type_.category.value
    if type_.stream:
        yield f"stream `{type_.stream}`"
    if type_.external:
        yield "external"
    if type_.redacted:
        yield "redacted: " + ", ".join(f"`{name}`" for name in type_.redacted)

"""Payloads: what an entry refers to but does not contain (inputs, results, before/after images).

The body of an entry names the kind, the schema tag and the digest of each payload. The content
is stored beside it for as long as its retention class says, and can be redacted: the entry, its
digests and every seal over it do not change.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

SCHEMA_TAG_CHARS_MAX = 100
SUBJECT_CHARS_MAX = 200
CONTENT_BYTES_MAX = 256 * 1024
SALT_BYTES = 16
MASK = "[redacted]"


class PayloadKind(StrEnum):
    """What a payload is to its entry."""

    COMMAND_INPUT = "command_input"
    COMMAND_RESULT = "command_result"
    BEFORE = "before"
    AFTER = "after"
    DIFF = "diff"
    REVERSAL_ARGS = "reversal_args"
    TARGET_SNAPSHOT = "target_snapshot"


class Redaction(StrEnum):
    """What has become of the content: from whole to gone, and never back."""

    NONE = "none"
    REDACTED = "redacted"
    TOMBSTONED = "tombstoned"
    CRYPTO_SHREDDED = "crypto_shredded"

    @property
    def is_final(self) -> bool:
        """Return whether nothing is left to take away."""
        return self in {Redaction.TOMBSTONED, Redaction.CRYPTO_SHREDDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how long content is kept, and how it goes. `is_personal`: it has a subject."""

    name: str
    keeps: timedelta
    then: Redaction
    meaning: str
    is_personal: bool = False


RETENTIONS: Mapping[str, Retention] = {
    each.name: each
    for each in (
        Retention(
            name="finance-10y",
            keeps=timedelta(days=3653),
            then=Redaction.TOMBSTONED,
            meaning="What was booked, billed and settled.",
        ),
        Retention(
            name="approval-snapshot-2y",
            keeps=timedelta(days=731),
            then=Redaction.REDACTED,
            meaning="What a decision was about: its personal fields go.",
        ),
        Retention(
            name="ops-400d",
            keeps=timedelta(days=400),
            then=Redaction.TOMBSTONED,
            meaning="What was asked for and what came of it, without personal data.",
        ),
        Retention(
            name="pii-90d",
            keeps=timedelta(days=90),
            then=Redaction.CRYPTO_SHREDDED,
            meaning="What is about a person, sealed with a key of their own.",
            is_personal=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Content that an entry will refer to. `subject` is whom it is about: `traveller/<id>`."""

    kind: PayloadKind
    content: Any
    schema_tag: str
    retention: Retention
    subject: str | None = None

    def __post_init__(self) -> None:
        assert 0 < len(self.schema_tag) <= SCHEMA_TAG_CHARS_MAX, "content has a schema tag"
        assert self.subject is None or 0 < len(self.subject) <= SUBJECT_CHARS_MAX
        assert self.subject is not None or not self.retention.is_personal, (
            f"{self.retention.name} is about somebody: say whom"
        )


def commitment(salt: bytes, content: bytes) -> str:
    """Return the digest that stands in the entry, in hex.

    HMAC-SHA256: once the salt is deleted, a guess at the content cannot be confirmed.
    """
    return hmac.new(salt, content, "sha256").hexdigest()


def masked(content: Any, pointers: Iterable[str] | None = None) -> Any:
    """Return `content` without the values at `pointers` (JSON pointers), or without any.

    A `*` in a pointer stands for every member; a pointer that leads nowhere is no error.
    """
    if pointers is None:
        return _emptied(content)
    for pointer in pointers:
        content = _without(content, [_unescaped(step) for step in pointer.split("/")[1:]])
    return content


def _without(content: Any, steps: list[str]) -> Any:
    if not steps:
        return _emptied(content)
    first, rest = steps[0], steps[1:]
    if isinstance(content, dict):
        return {
            name: _without(value, rest) if first in {"*", name} else value
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [
            _without(value, rest) if first in {"*", str(index)} else value
            for index, value in enumerate(content)
        ]
    return content


def _emptied(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _emptied(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_emptied(value) for value in content]
    return MASK


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")

"""Inputs and results: JSON as text in the row, by content hash when they are large."""

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

from events import payloads
from events.domain import canonical, payload
from events.domain.errors import Rejected
from ledger.domain.keyed import Keyed
from ledger.privacy import subjects

BYTES_MAX = 4 * payload.BYTES_MAX
"""A job is handed what an event carries, and what it needs beside that. What is larger takes
longer to write than a lease lasts, and would be tried for as often as workers are lost."""

# Refuses NaN and Infinity, which are no JSON and which orjson would turn into null.
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_MANY_DIGITS = re.compile(r"\d{19}", re.ASCII)


class NotJson(Rejected):
    code = "job_input_not_json"
    hint = "Objects, lists, texts, finite numbers, true, false and null."

    def __init__(self, reason: str) -> None:
        super().__init__(f"That is no JSON: {reason}.", pointer="/input")


class DocumentTooLarge(Rejected):
    code = "job_document_too_large"
    hint = "Store it elsewhere, and pass a reference to it."

    def __init__(self, size: int) -> None:
        super().__init__(
            f"An input or a result has at most {BYTES_MAX} bytes, and this one {size}.",
            pointer="/input",
            bytes=size,
        )


def dump(value: Any) -> str:
    """Return `value` as JSON text.

    :raises NotJson: if JSON cannot hold it.
    :raises DocumentTooLarge: if the text is longer than `BYTES_MAX`.
    """
    try:
        text = _encode(value)
        # A lone surrogate has no UTF-8, and PostgreSQL takes nothing else.
        size = len(text) if text.isascii() else len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error
    # Beyond 64 bits orjson reads a float in the place of an integer, and says nothing.
    if _MANY_DIGITS.search(text) and _encode(orjson.loads(text)) != text:
        raise NotJson("it has an integer beyond 64 bits")
    if size > BYTES_MAX:
        raise DocumentTooLarge(size)
    return text


def fingerprint(value: Any) -> str:
    """Return what is equal for equal values, whatever the order of their keys.

    Keyed, as the row may outlast the input: a plain digest of an address is guessed in a moment.

    :raises NotJson: if `value` has no canonical form.
    """
    return str(_keyed(_digest(value)))


def is_fingerprint(known: str | None, value: Any) -> bool:
    """Return whether this is on record of `value`: under any key, or plain, as it was before."""
    plain = _digest(value)
    return known in {plain, *_keyed(plain).under}


def _keyed(digest: str) -> Keyed:
    return subjects.fingerprint_of(digest, of="work")


def _digest(value: Any) -> str:
    try:
        return canonical.fingerprint(value)
    except ValueError as error:
        raise NotJson(str(error)) from error


def set_aside(texts: Sequence[str | None]) -> tuple[list[str | None], list[str | None]]:
    """Return the texts to keep in the row, and the hashes of the large ones, now kept apart."""
    return payloads.set_aside(texts)


def load(text: str | None, hash_: str | None) -> Any:
    """Return the value of a document, wherever it is kept; None if there is none."""
    if text is None and hash_ is not None:
        text = payloads.body(hash_)
    return None if text is None else orjson.loads(text)

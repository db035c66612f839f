"""Large payloads: the text is stored once under its hash, and events refer to it."""

import hashlib
import logging
from collections.abc import Sequence

import orjson

from events import wire
from events.domain.draft import Draft
from events.domain.payload import INLINE_BYTES_MAX, WARN_BYTES

logger = logging.getLogger(__name__)

_INSERT = (
    "INSERT INTO events_payload (hash, body) SELECT * FROM unnest(%s::text[], %s::text[]) "
    "ON CONFLICT (hash) DO NOTHING"
)


_BODY = "SELECT body FROM events_payload WHERE hash = %s"


def hashes_of(large: Sequence[Draft]) -> dict[str, str | None]:
    """Store the texts of large events, and return their hashes by the ids of the events."""
    texts = [orjson.dumps(draft.data) for draft in large]
    for draft, text in zip(large, texts, strict=True):
        if len(text) > WARN_BYTES:
            facts = {"event_id": draft.event_id, "event": draft.name, "bytes": len(text)}
            logger.warning("An event is very large.", extra=facts)
    _, hashes = set_aside([text.decode() for text in texts])
    return {draft.event_id: each for draft, each in zip(large, hashes, strict=True)}


def set_aside(texts: Sequence[str | None]) -> tuple[list[str | None], list[str | None]]:
    """Return the texts to store inline, and the hashes of the large ones.

    The large ones are stored here, each once.
    """
    inline: list[str | None] = list(texts)
    hashes: list[str | None] = [None] * len(texts)
    if not _is_large("".join(text for text in texts if text)):
        return inline, hashes
    large: dict[str, str] = {}
    for index, text in enumerate(texts):
        if text is None or not _is_large(text):
            continue
        digest = hashlib.sha256(text.encode()).hexdigest()
        large[digest] = text
        inline[index], hashes[index] = None, digest
    if large:
        # In the order of their hashes, so that two writers never wait for each other in turn.
        digests = sorted(large)
        wire.run(_INSERT, [digests, [large[digest] for digest in digests]])
    return inline, hashes


def body(digest: str) -> str:
    """Return the text with that hash. There must be one: it was written with what refers to it."""
    row = wire.run(_BODY, [digest]).fetchone()
    assert row is not None, f"there is no payload {digest}"
    text: str = row[0]
    return text


def _is_large(text: str) -> bool:
    # A character has up to four bytes: most texts need no encoding to be found short.
    return len(text) * 4 > INLINE_BYTES_MAX and len(text.encode()) > INLINE_BYTES_MAX

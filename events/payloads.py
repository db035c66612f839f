"""Large payloads: the text lives once under its hash, events refer to it."""

import hashlib
import logging
from collections.abc import Sequence

from events import wire
from events.domain.draft import Draft
from events.domain.payload import INLINE_BYTES_MAX, WARN_BYTES

logger = logging.getLogger(__name__)

_INSERT = (
    "INSERT INTO events_payload (hash, body) SELECT * FROM unnest(%s::text[], %s::text[]) "
    "ON CONFLICT (hash) DO NOTHING"
)


def split(drafts: Sequence[Draft]) -> tuple[list[str | None], list[str | None]]:
    """Return the texts to store inline and the hashes of the others, which are put aside."""
    inline: list[str | None] = [draft.text for draft in drafts]
    hashes: list[str | None] = [None] * len(drafts)
    large: dict[str, str] = {}
    for index, draft in enumerate(drafts):
        # A character has up to four bytes: most texts need no encoding to be found short.
        if len(draft.text) * 4 <= INLINE_BYTES_MAX or _size(draft) <= INLINE_BYTES_MAX:
            continue
        digest = hashlib.sha256(draft.text.encode()).hexdigest()
        large[digest] = draft.text
        inline[index], hashes[index] = None, digest
    if large:
        # In the order of their hashes, so that two writers never wait for each other in turn.
        digests = sorted(large)
        wire.run(_INSERT, [digests, [large[digest] for digest in digests]])
    return inline, hashes


def _size(draft: Draft) -> int:
    size = len(draft.text.encode())
    if size > WARN_BYTES:
        facts = {"event_id": draft.event_id, "event": draft.name, "bytes": size}
        logger.warning("An event is very large.", extra=facts)
    return size

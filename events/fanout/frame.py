"""An event for many sockets, serialised once per protocol."""

import orjson

from events.domain.envelope import Envelope, Stream
from events.domain.framing import FrameParts, Framing

HEAD_BYTES = 500
"""Of all that stands around the data."""


class Frame:
    """Reads like the envelope, but only has what delivery needs at hand.

    `bytes` is about what it takes as text, in any protocol.
    """

    __slots__ = ("_envelope", "_parts", "bytes", "name", "position", "sequence", "stream")

    bytes: int
    position: int
    sequence: int
    stream: Stream

    def __init__(self, envelope: Envelope) -> None:
        assert envelope.position is not None, "the feed holds sequenced events only"
        assert envelope.sequence is not None
        assert envelope.stream is not None
        self.name = envelope.name
        self.position = envelope.position
        self.sequence = envelope.sequence
        self.stream = envelope.stream
        self.bytes = HEAD_BYTES + len(orjson.dumps(envelope.data))
        self._envelope = envelope
        self._parts: dict[Framing, FrameParts | None] = {}

    def text(self, framing: Framing, quoted_sub_id: str) -> str | None:
        """Return the whole frame for a subscription, or None if the protocol has no such event."""
        try:
            parts = self._parts[framing]
        except KeyError:
            parts = self._parts[framing] = framing.event(self._envelope)
        return None if parts is None else f"{parts[0]}{quoted_sub_id}{parts[1]}"

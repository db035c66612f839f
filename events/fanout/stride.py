"""How many events to read at once, when one may have a hundred bytes or a million."""

from collections.abc import Sequence

from events.fanout.frame import Frame

PAGE_BYTES = 4 * 1024 * 1024
_FIRST = 32


class Stride:
    """Grows while pages are small, and shrinks with the first that is not."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.events = min(_FIRST, most)

    def learn(self, frames: Sequence[Frame]) -> None:
        """Take note of how large the last page was."""
        size = sum(frame.bytes for frame in frames)
        if size > PAGE_BYTES:
            self.events = max(1, len(frames) * PAGE_BYTES // size)
        elif 2 * size < PAGE_BYTES:
            self.events = min(2 * self.events, self._most)

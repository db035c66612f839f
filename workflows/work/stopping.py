"""Whether this worker was asked to stop: then it begins nothing more, and gives back what it took.

Celery tells its main process, and its children do the work: they read the same byte. A child that
gets the signal itself, as from a service manager that sends it to all, dies of it only between two
messages.
"""

import mmap
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_asked: bytearray | mmap.mmap = bytearray(1)
_is_child = False
_was_signalled = False


def share(**_signal: Any) -> None:
    """Have one answer for this process and those that it will fork."""
    global _asked  # noqa: PLW0603 (one per worker)
    _asked = mmap.mmap(-1, 1)


def ask(**_signal: Any) -> None:
    """Ask this worker to stop."""
    _asked[0] = 1


def is_asked() -> bool:
    """Return whether it was, or this child alone."""
    return _was_signalled or _asked[0] == 1


def be_child(**_signal: Any) -> None:
    """Note that this process is one of those that were forked to work."""
    global _is_child  # noqa: PLW0603 (one per process)
    _is_child = True


@contextmanager
def busy() -> Iterator[None]:
    """Do a message within the block: SIGTERM ends this process after it, a second one at once."""
    if not _is_child:
        yield
        return
    # Here and not when it begins: the pool sets its own after that.
    before = signal.signal(signal.SIGTERM, _on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if _was_signalled:
            os.kill(os.getpid(), signal.SIGTERM)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    global _was_signalled  # noqa: PLW0603 (one per process)
    signal.signal(number, signal.SIG_DFL)
    _was_signalled = True

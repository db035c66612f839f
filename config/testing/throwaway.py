"""Folders of data that nobody keeps, in memory where there is plenty of it.

A database has two thousand files. To make them on a disk, and to take them away, cost the kernel
a second of a core for each Daybook that a test starts, and more while the disk was busy.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.state import State

MEMORY = "/dev/shm"  # noqa: S108 (Linux has it; who may not use it, or has little, uses the disk)
DISK = "/tmp"  # noqa: S108 (not pytest's tmp_path: root's PostgreSQL is `nobody`, kept out of there)
# All that a run of every test has at one time takes a quarter of it.
MEMORY_BYTES_MIN = 4 << 30


def new_folder(prefix: str) -> Path:
    """Make a folder that every account may enter."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place()))
    folder.chmod(0o711)
    return folder


def place() -> str:
    """Return where such folders are to be made."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return DISK
    is_plenty = found.f_bavail * found.f_frsize >= MEMORY_BYTES_MIN
    return MEMORY if is_plenty and os.access(MEMORY, os.W_OK | os.X_OK) else DISK


@contextmanager
def temporary_state() -> Iterator[State]:
    """Make a state folder for as long as the block takes."""
    folder = new_folder("daybook-state-")
    try:
        yield State(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Folders of data that nobody keeps, in memory where there is plenty of it.

A database has two thousand files. To make them on a disk, and to take them away, cost the kernel
a second of a core for each Daybook that a test starts, and more while the disk was busy.

Who makes one holds a lock on it, which goes with the last process that has it: so what nobody
holds was left by a run that was killed, and the next run takes it away.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.embedded import servers
from config.embedded.state import State

MEMORY = "/dev/shm"  # noqa: S108 (Linux has it; who may not use it, or has little, uses the disk)
DISK = "/tmp"  # noqa: S108 (not pytest's tmp_path: root's PostgreSQL is `nobody`, kept out of there)
# All that a run of every test has at one time takes a quarter of it.
MEMORY_BYTES_MIN = 4 << 30
_HELD = ".held"

_holds: dict[Path, int] = {}


def new_folder(prefix: str) -> Path:
    """Make a folder that every account may enter, and hold it until it is removed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=_HELD, dir=place()))
        # Somebody may have found it before it was held.
        with suppress(FileNotFoundError):
            folder.chmod(0o711)
            hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(hold, fcntl.LOCK_EX)
            if folder.exists():
                _holds[folder] = hold
                return folder
            os.close(hold)


def remove(folder: Path) -> None:
    """Take a folder away, with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if (hold := _holds.pop(folder, None)) is not None:
        os.close(hold)


def remove_what_nobody_holds() -> None:
    """Take away what runs of this user that were killed have left, here and in `/tmp`."""
    for each in (MEMORY, DISK):
        for folder in Path(each).glob(f"daybook-*{_HELD}"):
            with suppress(OSError):
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    # Others may write there too, and what is in their folders is not to be believed.
    if folder.lstat().st_uid != os.geteuid():
        return
    hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        servers.forget_sockets(State(folder))
        shutil.rmtree(folder)
    finally:
        os.close(hold)


def place() -> str:
    """Return where such folders are to be made."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return DISK
    is_plenty = found.f_bavail * found.f_frsize >= MEMORY_BYTES_MIN
    return MEMORY if is_plenty and os.access(MEMORY, os.W_OK | os.X_OK) else DISK


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make a folder for as long as the block takes."""
    folder = new_folder(prefix)
    try:
        yield folder
    finally:
        remove(folder)


@contextmanager
def temporary_state() -> Iterator[State]:
    """Make a state folder for as long as the block takes."""
    with temporary_folder("daybook-state-") as folder:
        yield State(folder)

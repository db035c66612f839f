"""Child processes that are killed when their parent dies.

Everything is forked from the main thread: on Linux the death signal fires when the *thread*
that forked goes away, not when the process does.
"""

import contextlib
import ctypes
import os
import pwd
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child between fork and exec should do as little as it can.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as; PostgreSQL refuses to be root."""

    uid: int
    gid: int

    @property
    def is_current(self) -> bool:
        return self.uid == os.geteuid()


def server_account() -> Account:
    """Return the current user, or `nobody` in the place of root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def spawn(
    run: Callable[[], object],
    *,
    log: Path,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> int:
    """Fork a child that calls `run`, in a session of its own, and return its pid."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _live_as_child(run, log=log, account=account, death_signal=death_signal, parent=parent)
    return pid


def _live_as_child(
    run: Callable[[], object],
    *,
    log: Path,
    account: Account | None,
    death_signal: signal.Signals,
    parent: int,
) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _forget_signal_handlers()
        _write_to(log)
        become(account, death_signal=death_signal, parent=parent)
        run()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - the edge of a process: whatever it is, log it and go.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _forget_signal_handlers() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _write_to(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)


def become(
    account: Account | None, *, death_signal: signal.Signals, parent: int | None = None
) -> None:
    """Continue as `account`, if it is another, and die with the parent."""
    parent = parent or os.getppid()
    if account is not None and not account.is_current:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    die_with_parent(death_signal, parent=parent)


def die_with_parent(death_signal: signal.Signals, *, parent: int | None = None) -> None:
    """Ask the kernel to send `death_signal` to this process when its parent dies.

    Must come after any change of user, which clears the request.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if parent is not None and os.getppid() != parent:
        os._exit(1)  # The parent died before we asked.


def dying_with_us(death_signal: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` for `subprocess`: the program gets the signal when we are no more."""
    parent = os.getpid()

    def ask() -> None:
        # A system call or two: safe also where this process has threads.
        die_with_parent(death_signal, parent=parent)

    return ask


def take_forks_along() -> None:
    """Let everything that this process forks die with it, from the first moment.

    Celery asks the same for its pool, but a child that has not come so far when its parent is
    killed lives on; and it does not ask for the beat beside it.
    """
    parent = 0

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    os.register_at_fork(
        before=remember,
        after_in_child=lambda: die_with_parent(signal.SIGKILL, parent=parent),
    )


def execute(command: Sequence[object]) -> NoReturn:
    """Become `command`. For use as (part of) the `run` of `spawn`."""
    arguments = [str(word) for word in command]
    os.execv(arguments[0], arguments)  # noqa: S606


def last_words(log: Path, *, about: Sequence[str] = ("",)) -> str:
    """Return a sentence that names a log, and cites its last line that has one of these words."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    found = [line for line in lines if any(word in line for word in about)]
    return f"{log} says why{f': {found[-1]}' if found else '.'}"


def has_ended(pid: int) -> bool:
    """Collect `pid` if it has ended, without waiting."""
    return exit_status(pid) is not None


def exit_status(pid: int, *, with_group: bool = False) -> int | None:
    """Return how our child `pid` ended (negative: by that signal), or None while it runs.

    `with_group`: once it has ended, kill what it left behind in its group, and only then collect
    it. Until then its number is its own; afterwards it may be that of a stranger's group.
    """
    try:
        if with_group:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            send(pid, signal.SIGKILL, group=True)
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0  # Somebody collected it already.
    return os.waitstatus_to_exitcode(status) if found else None


def wait(pid: int, *, seconds: float, with_group: bool = False) -> int | None:
    """Wait for our child `pid` and return its exit status, or None if it still runs."""
    deadline = time.monotonic() + seconds
    while (
        status := exit_status(pid, with_group=with_group)
    ) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return status


def send(pid: int, number: signal.Signals, *, group: bool = False) -> None:
    """Signal a process or its whole group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, number)

"""Processes of the product for tests, forked from one that has imported it already.

To import the product takes a process two seconds of a core, and the tests start a hundred. One
imports it for all of them, in whatever environment they are (`settings_anew`), and for all
workers of a run.
"""

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import django

from config.bootstrap import ROOT
from config.embedded import process
from config.testing import settings_anew
from events import failpoints

STOP_S = 30
START_S = 180
"""How long it may take to import the product on a machine that is busy with other things."""
# Of the process that imports: what it reads of it is read again by whoever is forked.
_OF_A_SERVER = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "FAILPOINTS"}
_IMPORTING = {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
_MESSAGE_BYTES_MAX = 1 << 17
_FILES_MAX = 8
# Nobody guesses a password of the tests: at its full price each log-in took a quarter of a second.
_WORK_FOR_A_PASSWORD = 2


class Forked:
    """A process of the product, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, end: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end

    def poll(self) -> int | None:
        """Return how it ended (negative: by that signal), or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return how it ended.

        :raises subprocess.TimeoutExpired: if it does not end within `timeout` seconds.
        """
        if self.returncode is None:
            self._end.settimeout(timeout)
            try:
                message = self._end.recv(_MESSAGE_BYTES_MAX)
            except (TimeoutError, BlockingIOError) as error:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0) from error
            # Who forked it dies last, and takes it along.
            self.returncode = int(message) if message else -signal.SIGKILL
            self._end.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def abandon(self) -> None:
        """Leave it alone, as the end of this process would: it gets its farewell."""
        self._end.close()


class ForkServer:
    """The process that has imported the product (if it `imports`), and forks others."""

    def __init__(self, *, imports: bool = True) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inherited = {name: text for name, text in os.environ.items() if name not in _OF_A_SERVER}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", __name__, str(theirs.fileno()), *["bare"] * (not imports)],
                cwd=ROOT,
                env=inherited | _IMPORTING,
                pass_fds=[theirs.fileno()],
            )
        self._begun_by = os.getpid()

    def start(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        files: Mapping[int, int],
        farewell: signal.Signals,
    ) -> Forked:
        """Run a module as `python -m` does, with these arguments and open files."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "log": str(log),
            "files": list(files),
            "farewell": farewell,
        }
        with theirs:
            packet = json.dumps(wanted).encode()
            socket.send_fds(self._control, [packet], [theirs.fileno(), *files.values()])
        ours.settimeout(START_S)
        try:
            return Forked(int(ours.recv(_MESSAGE_BYTES_MAX)), ours)
        except (TimeoutError, ValueError):
            ours.close()  # Or some other test would fail for it.
            raise

    def stop(self) -> None:
        """End it, and whatever it has forked; of one that others share, only take leave."""
        self._control.close()
        if self._begun_by == os.getpid():
            self._process.wait()
        else:
            # Another's child, which waits for it: here it must not be missed when this goes.
            self._process.returncode = 0


_server: ForkServer | None = None


def begin() -> ForkServer:
    """Return the fork server of this process and those that it forks, begun if need be.

    It imports the product while the caller goes on.
    """
    global _server  # noqa: PLW0603 (one for each run of the tests)
    _server = _server or ForkServer()
    return _server


def start(
    *arguments: str,
    environment: Mapping[str, str],
    log: Path | None = None,
    files: Mapping[int, int] | None = None,
    farewell: signal.Signals = signal.SIGKILL,
) -> Forked:
    """Start `python -m …` in a session of its own, in exactly this environment.

    It gets the signal `farewell` when this process is no more. It writes to `log`, or where this
    process does; `files` are open files of this process, by the number that they have there.
    """
    # Where pytest hears it, which has other files under these numbers from test to test.
    files = {**({} if log else {1: 1, 2: 2}), **(files or {})}
    return begin().start(
        arguments,
        environment=environment,
        log=log or Path(os.devnull),
        files=files,
        farewell=farewell,
    )


def start_up(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Start `manage.py` with these arguments; told to stop when this process is no more."""
    return start("manage", *arguments, environment=environment, log=log, farewell=signal.SIGTERM)


def stop() -> None:
    """End the fork server, if there is one."""
    global _server  # noqa: PLW0603 (likewise)
    if _server is not None:
        _server.stop()
        _server = None


# -- the other process ----------------------------------------------------------------


@dataclass(slots=True)
class _Child:
    """A process that was forked, and the socket of whoever asked for it."""

    end: socket.socket
    farewell: signal.Signals


@dataclass(slots=True)
class _Serving:
    """What the fork server looks after."""

    control: socket.socket
    selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    children: dict[int, _Child] = field(default_factory=dict)

    def serve(self) -> None:
        """Fork what is asked for, and tell how each one ended, until nobody is there to ask."""
        wake_up, alarm = socket.socketpair()
        alarm.setblocking(False)  # noqa: FBT003 (the name of the standard library's argument)
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(wake_up, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is wake_up:
                    wake_up.recv(_MESSAGE_BYTES_MAX)
                elif key.fileobj is not self.control:
                    self._take_leave(key.data)
                elif not self._fork():
                    self._end()
                    return
            self._tell_the_ends()

    def _fork(self) -> bool:
        packet, files, _, _ = socket.recv_fds(self.control, _MESSAGE_BYTES_MAX, _FILES_MAX)
        if not packet:
            return False
        wanted = json.loads(packet)
        own, *given = files

        def live() -> None:
            self._let_go()
            _live(wanted, given)

        pid = process.spawn(live, log=Path(wanted["log"]))
        for each in given:
            os.close(each)
        child = _Child(socket.socket(fileno=own), signal.Signals(wanted["farewell"]))
        self.children[pid] = child
        self.selector.register(child.end, selectors.EVENT_READ, pid)
        with suppress(OSError):  # Who asked may be gone.
            child.end.send(str(pid).encode())
        return True

    def _let_go(self) -> None:
        """Close, in a process that was forked, what is between others."""
        self.control.close()
        self.selector.close()
        for child in self.children.values():
            child.end.close()

    def _take_leave(self, pid: int) -> None:
        """Whoever asked for it is no more: so should it be."""
        child = self.children[pid]
        self.selector.unregister(child.end)
        process.send(pid, child.farewell)

    def _end(self) -> None:
        """Let what is left come to its end: what does not in time dies with this process."""
        for pid, child in self.children.items():
            process.send(pid, child.farewell)
        for pid in self.children:
            process.wait(pid, seconds=STOP_S)

    def _tell_the_ends(self) -> None:
        for pid in list(self.children):
            if (status := process.exit_status(pid)) is not None:
                child = self.children.pop(pid)
                with suppress(KeyError):
                    self.selector.unregister(child.end)
                with child.end as end, suppress(OSError):  # Nobody may want to know.
                    end.send(str(status).encode())


def _live(wanted: dict[str, Any], given: list[int]) -> None:
    """Be the process that was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    for number, each in zip(wanted["files"], given, strict=True):
        os.dup2(each, number)
    failpoints.arm(os.environ.get("FAILPOINTS", ""))
    settings_anew.read_at_the_next_look()
    sys.argv = wanted["arguments"]
    if sys.argv[0] != "manage":  # Which chooses servers and sets Django up by itself.
        django.setup()
        _leave_nothing_behind(Path(wanted["log"]))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _leave_nothing_behind(log: Path) -> None:
    """Keep temporary files beside the log, which goes with the test: it may well be killed."""
    if log.is_file():
        tempfile.tempdir = str(log.parent)


def _main() -> NoReturn:
    # Ctrl-C reaches it too, but what it has forked has to be taken down by whoever asked for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, *bare = sys.argv[1:]
    with socket.socket(fileno=int(number)) as control:
        if not bare:
            _import_product()
        _Serving(control).serve()
    # What it forked dies with it.
    os._exit(0)


def _import_product() -> None:
    django.setup()
    from django.contrib.auth.hashers import ScryptPasswordHasher  # noqa: PLC0415 (it wants settings)

    from commerce import pdf  # noqa: F401, PLC0415 (loaded by whoever first draws with it)
    from config.processes import parts  # noqa: PLC0415 (it wants settings)

    parts.import_product()
    ScryptPasswordHasher.work_factor = _WORK_FOR_A_PASSWORD
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _main()

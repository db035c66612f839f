"""Processes of the product for tests, forked from one that has imported it already.

To import the product takes a process two seconds of a core, and the tests start a hundred. So
the first of those with the same environment is imported for all of them, as `up` does it (ADR
0012). What a test may give to one process alone is what no settings are made of.
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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import django

from config.embedded import process
from events import failpoints

ROOT = Path(__file__).resolve().parents[1]
START_S = 180
"""How long it may take to import the product on a machine that is busy with other things."""
OF_ONE_PROCESS = frozenset(
    {"DAYBOOK_AGENT_KEY", "FAILPOINTS", "TEST_EVENTS_LIVE", "TEST_WRITE_SECONDS_MAX"}
)
"""Read after the fork."""
_OF_NO_CONCERN = frozenset({"PYTEST_CURRENT_TEST"})
_MESSAGE_BYTES_MAX = 1 << 17
_FILES_MAX = 8


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
                said = self._end.recv(_MESSAGE_BYTES_MAX)
            except (TimeoutError, BlockingIOError) as error:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0) from error
            # Who forked it dies last, and takes it along.
            self.returncode = int(said) if said else -signal.SIGKILL
            self._end.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that has imported the product under `environment`, and forks others."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        files: Mapping[int, int],
    ) -> Forked:
        """Run a module as `python -m` does, with these arguments and open files."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "log": str(log),
            "files": list(files),
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
        """End it, and whatever it has forked."""
        self._control.close()
        self._process.wait()


_servers: dict[frozenset[tuple[str, str]], ForkServer] = {}


def start(
    *arguments: str,
    environment: Mapping[str, str],
    log: Path | None = None,
    files: Mapping[int, int] | None = None,
) -> Forked:
    """Start `python -m …` in a session of its own. It does not outlive this process.

    It writes to `log`, or where this process does; `files` are open files of this process,
    by the number that they have there.
    """
    # Where pytest hears it, which has other files under these numbers from test to test.
    files = {**({} if log else {1: 1, 2: 2}), **(files or {})}
    own = {name: environment[name] for name in OF_ONE_PROCESS & environment.keys()}
    common = {
        name: text
        for name, text in environment.items()
        if name not in OF_ONE_PROCESS | _OF_NO_CONCERN
    }
    key = frozenset(common.items())
    if key not in _servers:
        _servers[key] = ForkServer(common)
    return _servers[key].start(arguments, environment=own, log=log or Path(os.devnull), files=files)


def stop_all() -> None:
    """End every fork server of this process."""
    while _servers:
        _servers.popitem()[1].stop()


# -- the other process ----------------------------------------------------------------


def _serve(control: socket.socket) -> None:
    """Fork whatever is asked for, and tell how each one ended, until nobody is there to ask."""
    ends: dict[int, socket.socket] = {}
    wake_up, alarm = socket.socketpair()
    alarm.setblocking(False)  # noqa: FBT003 (the name of the standard library's argument)
    signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake_up, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is wake_up:
                wake_up.recv(_MESSAGE_BYTES_MAX)
                continue
            packet, files, _, _ = socket.recv_fds(control, _MESSAGE_BYTES_MAX, _FILES_MAX)
            if not packet:
                return
            end, pid = _forked(json.loads(packet), files)
            ends[pid] = end
            end.send(str(pid).encode())
        _tell_the_ends(ends)


def _forked(wanted: dict[str, Any], files: list[int]) -> tuple[socket.socket, int]:
    own, *given = files
    pid = process.spawn(lambda: _live(wanted, given), log=Path(wanted["log"]))
    for each in given:
        os.close(each)
    return socket.socket(fileno=own), pid


def _tell_the_ends(ends: dict[int, socket.socket]) -> None:
    for pid in list(ends):
        if (status := process.exit_status(pid)) is not None:
            with ends.pop(pid) as end, suppress(OSError):  # Nobody may want to know.
                end.send(str(status).encode())


def _live(wanted: dict[str, Any], given: list[int]) -> None:
    """Be the process that was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(wanted["environment"])
    for number, each in zip(wanted["files"], given, strict=True):
        os.dup2(each, number)
    failpoints.arm(os.environ.get("FAILPOINTS", ""))
    sys.argv = wanted["arguments"]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _main() -> NoReturn:
    with socket.socket(fileno=int(sys.argv[1])) as control:
        django.setup()
        from config import parts  # noqa: PLC0415 (it wants settings)

        parts.import_product()
        gc.collect()
        gc.freeze()
        _serve(control)
    # What it forked dies with it.
    os._exit(0)


if __name__ == "__main__":
    _main()

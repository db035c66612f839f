"""The supervisor: keeps child processes running, restarts dead ones, stops all on request.

The children are forked from a supervisor that has imported the product and opened nothing:
they start in a moment and share its memory. Standard library only.
"""

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.embedded import process

# A part that lived this long was well; its next death is a new story.
HEALTHY_AFTER_SECONDS = 10.0
BACK_OFF_SECONDS_FIRST = 0.1
BACK_OFF_SECONDS_MAX = 5.0
TURN_SECONDS = 0.5
# Together below ten seconds, the patience of most who send a SIGTERM.
STOP_SECONDS_PARTS = 6.0
STOP_SECONDS_SERVERS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of the product. `run` is called in the child, and says when it is ready."""

    name: str
    run: Callable[[Callable[[], None]], object]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    account: process.Account | None = None
    # A program of somebody else cannot say that it is ready: it is asked.
    probe: Callable[[], bool] | None = None
    # Servers stop after the parts that use them.
    is_server: bool = False
    # For a part that does not stop in time.
    last_signal: signal.Signals = signal.SIGKILL


@dataclass(slots=True)
class Child:
    """What the supervisor knows about one part."""

    part: Part
    pid: int | None = None
    started_at: float = 0.0
    is_ready: bool = False
    is_held: bool = False
    deaths: int = 0
    due_at: float | None = None
    environment: Mapping[str, str] | None = None
    readiness: socket.socket | None = None


class PartsNotReady(Exception):
    """Some parts did not come up in time. The message names them and their logs."""


class AskedToStop(Exception):
    """Somebody asked to stop, by the signal of that number, while something was waited for."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Supervisor:
    """The parts and their fate."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        logs: Path,
        say: Callable[[str], object],
    ) -> None:
        self.children = {part.name: Child(part) for part in parts}
        self.is_stopping = False
        self._asked_by: int = signal.SIGTERM
        self._logs = logs
        self._say = say
        self._changed: Callable[[], object] = lambda: None
        self._selector = selectors.DefaultSelector()
        self._let_go: list[Callable[[], object]] = []
        self._wake_up, self._alarm = socket.socketpair()
        self._watch_signals()

    # -- for `up` ---------------------------------------------------------------------

    def adopt(self, name: str, pid: int) -> None:
        """Take over a process that was started before the supervisor."""
        child = self.children[name]
        child.pid, child.started_at, child.is_ready = pid, time.monotonic(), True

    def listen(self, listener: socket.socket, answer: Callable[[socket.socket], object]) -> None:
        """Call `answer` whenever somebody connects to `listener`."""
        self._selector.register(listener, selectors.EVENT_READ, answer)
        self.not_for_children(listener.close)

    def not_for_children(self, let_go: Callable[[], object]) -> None:
        """Have `let_go` called in every child: an inherited lock or socket would live on."""
        self._let_go.append(let_go)

    def on_change(self, changed: Callable[[], object]) -> None:
        """Call `changed` whenever a part begins or ends."""
        self._changed = changed

    def start(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a part that does not run."""
        child = self.children[name]
        if child.pid is None:
            child.is_held, child.environment = False, environment
            self._fork(child)

    def hold(self, name: str, number: signal.Signals) -> None:
        """End a part, its whole process group, and do not start it again until `start`."""
        child = self.children[name]
        child.is_held, child.due_at = True, None
        if child.pid is not None:
            process.send(child.pid, number, group=number is signal.SIGKILL)

    def wait_until_ready(self, *names: str, seconds: float) -> None:
        """Return when these parts (or all) said that they are ready.

        :raises PartsNotReady: if some did not in time.
        :raises AskedToStop: if somebody does not want to wait any longer.
        """
        if not self.wait_until(lambda: not self._not_ready(names), seconds=seconds):
            waiting = ", ".join(self._not_ready(names))
            raise PartsNotReady(f"Not ready: {waiting}. Their logs are in {self._logs}.")

    def wait_until(self, is_so: Callable[[], bool], *, seconds: float) -> bool:
        """Look after the parts until something is so, and tell whether it came to be in time.

        :raises AskedToStop: if somebody does not want to wait any longer.
        """
        deadline = time.monotonic() + seconds
        while not is_so():
            if self.is_stopping:
                raise AskedToStop(self._asked_by)
            if time.monotonic() > deadline:
                return False
            self.turn(0.1)
        return True

    def run(self) -> None:
        """Look after the parts until somebody asks to stop."""
        while not self.is_stopping:
            self.turn(TURN_SECONDS)

    def stop(self) -> None:
        """End everything, the servers last; what does not end in time is killed."""
        self.is_stopping = True
        children = self.children.values()
        _end([c for c in children if not c.part.is_server], seconds=STOP_SECONDS_PARTS)
        _end([c for c in children if c.part.is_server], seconds=STOP_SECONDS_SERVERS)
        for child in children:
            self._forget_readiness(child)
        signal.set_wakeup_fd(-1)
        for ours in (self._selector, self._wake_up, self._alarm):
            ours.close()

    # -- the loop ---------------------------------------------------------------------

    def turn(self, seconds: float) -> None:
        """Wait for something to happen, at most so long, and deal with it."""
        for key, _ in self._selector.select(self._at_most(seconds)):
            key.data(key.fileobj)
        for child in self.children.values():
            self._collect(child)
            if child.due_at is not None and child.due_at <= time.monotonic():
                self._fork(child)
            if child.part.probe and child.pid and not child.is_ready:
                child.is_ready = child.part.probe()

    def _at_most(self, seconds: float) -> float:
        due = [child.due_at for child in self.children.values() if child.due_at is not None]
        return max(0.0, min([seconds, *(at - time.monotonic() for at in due)]))

    def _collect(self, child: Child) -> None:
        if child.pid is None:
            return
        # What it left behind, Celery's pool for one, must not work on beside its successor.
        status = process.exit_status(child.pid, with_group=True)
        if status is None:
            return
        pid, child.pid, child.is_ready = child.pid, None, False
        self._forget_readiness(child)
        if not child.is_held and not self.is_stopping:
            self._plan_restart(child, pid, status)
        self._changed()

    def _plan_restart(self, child: Child, pid: int, status: int) -> None:
        lived = time.monotonic() - child.started_at
        child.deaths = 1 if lived > HEALTHY_AFTER_SECONDS else child.deaths + 1
        delay = back_off(child.deaths)
        child.due_at = time.monotonic() + delay
        self._say(
            f"{child.part.name} (process {pid}) ended {_how(status)} after {lived:.1f} s; "
            f"starting again in {delay:.1f} s."
        )

    def _fork(self, child: Child) -> None:
        child.due_at, child.started_at = None, time.monotonic()
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._read_readiness(child))
        child.readiness = ours
        child.pid = process.spawn(
            lambda: self._live(child, theirs),
            log=self._logs / f"{child.part.name}.log",
            account=child.part.account,
            death_signal=child.part.death_signal,
        )
        theirs.close()
        self._changed()

    def _live(self, child: Child, ready: socket.socket) -> None:
        """Be the child."""
        for let_go in (self._selector.close, self._alarm.close, self._wake_up.close, *self._let_go):
            let_go()

        def say_ready() -> None:
            ready.send(b"!")

        os.environ.update(child.environment or {})
        child.part.run(say_ready)

    def _read_readiness(self, child: Child) -> None:
        if child.readiness is None:
            return  # Dealt with in a turn inside the turn.
        with contextlib.suppress(BlockingIOError):
            child.is_ready = bool(child.readiness.recv(1)) or child.is_ready
            self._forget_readiness(child)

    def _forget_readiness(self, child: Child) -> None:
        if child.readiness is not None:
            self._selector.unregister(child.readiness)
            child.readiness.close()
            child.readiness = None

    def _not_ready(self, names: Sequence[str]) -> list[str]:
        return [
            name
            for name, child in self.children.items()
            if (not names or name in names) and not (child.is_ready or child.is_held)
        ]

    def _watch_signals(self) -> None:
        self._alarm.settimeout(0)
        self._wake_up.settimeout(0)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        self._selector.register(self._wake_up, selectors.EVENT_READ, lambda s: s.recv(512))

    def _ask_to_stop(self, number: int, _frame: object) -> None:
        self._asked_by, self.is_stopping = number, True


def back_off(deaths: int) -> float:
    """Return how long to wait before the start that follows so many deaths in a row."""
    return float(min(BACK_OFF_SECONDS_FIRST * 2 ** (deaths - 1), BACK_OFF_SECONDS_MAX))


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with code {status}"


def _end(children: Sequence[Child], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    alive = [(child, child.pid) for child in children if child.pid is not None]
    for child, pid in alive:
        process.send(pid, child.part.stop_signal)
    for child, pid in alive:
        left = max(0.0, deadline - time.monotonic())
        if process.wait(pid, seconds=left, with_group=True) is None:
            process.send(pid, child.part.last_signal)
            if process.wait(pid, seconds=0.5, with_group=True) is None:
                process.send(pid, signal.SIGKILL, group=True)
        child.pid = None

"""A complete Daybook for `demo` and tests: `up` in another process, with handles to break it.

Everything is as a user would have it, except that data may be lost on a power failure.
"""

import os
import select
import signal
import ssl
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import httpx2
import psycopg

from config.embedded.process import dying_with_us
from config.embedded.state import Instance, State
from config.processes import control
from config.processes.launch import CARELESS

ROOT = Path(__file__).resolve().parents[2]
# On a machine that is busy with much else. What does not come up at all says so at once.
READY_SECONDS_MAX = 180
STOP_SECONDS_MAX = 60
# A private Daybook uses plain HTTP: loading certificates took longer than most requests.
TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Variables that would make it use the servers or the settings of its parent process.
_NOT_INHERITED = (
    "CELERY_BROKER_URL",
    "COMMERCE_PAYMENT_WEBHOOK_SECRETS",
    "LEDGER_DATA_KEYS",
    "LEDGER_SIGNING_KEY",
    "DATABASE_OWNER_URL",
    "DATABASE_URL",
    "DJANGO_SETTINGS_MODULE",
    "REDIS_URL",
    "SECRET_KEY",
)


class StackFailed(Exception):
    """It did not come up, or not down. The message is what it said last."""


class Process(Protocol):
    """The part of `subprocess.Popen` that is used."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: signal.Signals, /) -> None: ...

    def kill(self) -> None: ...


class Begin(Protocol):
    """Starts `manage.py` with these arguments; it is stopped when the caller has ended."""

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> Process: ...


def by_itself(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Begin `manage.py` as a user does: as a program that imports everything itself."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            preexec_fn=dying_with_us(signal.SIGTERM),  # noqa: PLW1509 (see there)
        )


@dataclass(slots=True, weakref_slot=True)
class Stack:
    """A running `up`."""

    process: Process
    state: State
    _database: "psycopg.Connection | None" = field(default=None, init=False, repr=False)

    @classmethod
    def start(
        cls,
        state: State,
        *arguments: str,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        begin: Begin = by_itself,
    ) -> Self:
        """Start one on `state`, and return when it is ready.

        :raises StackFailed: if it does not come up.
        """
        state.prepare()
        command = ["up", "--port", "0", "--state", str(state.folder), "--workers", str(workers)]
        log = state.logs / "up.log"
        log.write_bytes(b"")
        process = begin([*command, *arguments], without_servers(environment or {}), log)
        stack = cls(process, state)
        stack._wait_until_ready()
        return stack

    @property
    def instance(self) -> Instance:
        """What it says about itself: address, key, environment, pids."""
        found = self.state.announced()
        if found is None:
            raise StackFailed(f"Nothing runs on {self.state.folder}.\n{self.log('up')}")
        return found

    @property
    def url(self) -> str:
        """Where the web process answers."""
        return self.instance.url or ""

    @property
    def api_key(self) -> str:
        """A key that may do everything."""
        return self.instance.api_key or ""

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs in its environment to work on this Daybook."""
        return {**without_servers({}), **self.instance.environment}

    def client(self, **options: Any) -> httpx2.Client:
        """Return an HTTP client that sends the key."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        options = {"verify": TRUSTING_NOBODY, "timeout": 60, **options}
        return httpx2.Client(base_url=self.url, headers=headers, **options)

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask its database, as the owner of the tables."""
        cursor = self._connected().execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def pid(self, part: str) -> int:
        """Return the process of a part: web, worker, sequencer, sweeper, postgres, valkey."""
        return int(self.status()[part]["pid"])

    def status(self) -> dict[str, Any]:
        """Return pid, readiness and number of deaths of every part."""
        return self._ask(do="status")

    def kill(self, part: str) -> None:
        """Kill a part with all its children, -9; the supervisor starts it again by itself."""
        os.killpg(self.pid(part), signal.SIGKILL)

    def hold(self, part: str, by: str = "SIGKILL") -> None:
        """End a part by a signal, and keep it down until `resume`."""
        self._ask(do="hold", part=part, by=by)

    def resume(self, part: str, **environment: str) -> None:
        """Start a part that was held, with more in its environment; return when it is ready."""
        self._ask(do="start", part=part, environment=environment)

    def restart(self, part: str, **environment: str) -> None:
        """Kill a part and start it with more in its environment, `FAILPOINTS` for one."""
        self.hold(part)
        self.resume(part, **environment)

    def log(self, part: str) -> str:
        """Return what a part has written."""
        return (self.state.logs / f"{part}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop it as Ctrl-C would.

        :raises StackFailed: if it does not end in time.
        """
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.wait()
            raise StackFailed(f"It did not stop.\n{self.log('up')}") from error

    def _connected(self) -> "psycopg.Connection":
        """Return the connection of before, or a new one if its server has said or ended anything.

        A waiting test polls thirty times a second.
        """
        if self._database is None or _has_unread(self._database):
            url = self.instance.environment["DATABASE_OWNER_URL"]
            # No statement outlives a table that a test changes.
            self._database = psycopg.connect(url, autocommit=True, prepare_threshold=None)
            weakref.finalize(self, self._database.close)
        return self._database

    def _ask(self, **request: object) -> dict[str, Any]:
        return control.ask(self.instance.control or "", **request)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while "\nready {" not in self.log("up"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.process.wait()
                raise StackFailed(self.log("up"))
            time.sleep(0.02)


def _has_unread(connection: "psycopg.Connection") -> bool:
    if connection.closed:
        return True
    unread = select.poll()
    unread.register(connection.fileno(), select.POLLIN)
    return bool(unread.poll(0))


def without_servers(more: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without what names servers, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    return {**kept, CARELESS: "1", "EVENTS_STRICT": "true", **more}

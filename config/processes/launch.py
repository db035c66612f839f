"""The start sequence of `up`, in the fastest order.

The servers start while Django is imported; a child migrates while the rest is imported;
and the parts are forked from what is imported by then, which has opened nothing yet.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from config import garbage_collection
from config.embedded import process
from config.embedded.servers import Servers
from config.embedded.state import Instance, State
from config.processes import control, open_engine
from config.processes.peers import Peers
from config.processes.supervisor import AskedToStop, Part, Supervisor
from examples.demo_peers.server import NOTIFY_URL

if TYPE_CHECKING:
    from config.processes.first_run import Accounts

HOST = "127.0.0.1"
READY_SECONDS_MAX = 150
PREPARE_SECONDS_MAX = 600
# Data that may be lost with the machine's power, for tests.
CARELESS = "DAYBOOK_CARELESS"
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class CannotStart(Exception):
    """Daybook does not come up. The message is for the person at the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line of `up`."""

    port: int
    state: str | None
    check: bool
    demo_data: bool
    open_engine: bool
    workers: int


@dataclass(slots=True, kw_only=True, repr=False)
class Launch:
    """One run of `up`, from the first server to the last."""

    options: Options
    state: State
    listener: socket.socket
    lock: IO[str]
    servers: Servers = field(init=False)
    peers: Peers | None = field(init=False)
    peers_pid: int | None = field(init=False, default=None)
    example_pid: int | None = field(init=False, default=None)
    environment: dict[str, str] = field(init=False)
    # The exception that a signal raises is lost in a finalizer; this is not.
    asked_to_stop_by: int | None = field(init=False, default=None)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.listener.getsockname()[1]}"

    def run(self, started_at: float) -> int:
        """Bring everything up, keep it up, and bring it down.

        :raises CannotStart: if it does not come up.
        """
        try:
            self._interrupt_by_signals()
            self.servers = Servers.wanted(self.state, careless=bool(os.environ.get(CARELESS)))
            return self._with_servers(started_at)
        except AskedToStop as asked:
            return 128 + asked.number
        except KeyboardInterrupt:
            return 128 + (self.asked_to_stop_by or signal.SIGINT)

    def _with_servers(self, started_at: float) -> int:
        try:
            self._prepare()
            return self._supervise(started_at)
        finally:
            self._ignore_signals()  # What is left takes a few seconds, and has to be done.
            self._end_what_nobody_adopted()
            self.servers.stop()

    def _end_what_nobody_adopted(self) -> None:
        # They would die with us, but a moment later: until then the state is not free.
        for pid in (self.peers_pid, self.example_pid):
            if pid is not None and not process.has_ended(pid):
                process.send(pid, signal.SIGKILL)
                process.wait(pid, seconds=1)

    def _interrupt_by_signals(self) -> None:
        for number in _STOPPING:
            signal.signal(number, self._interrupt)

    def _ignore_signals(self) -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, _frame: object) -> None:
        self.asked_to_stop_by = number
        raise KeyboardInterrupt

    def _heed_signals(self) -> None:
        if self.asked_to_stop_by is not None:
            raise KeyboardInterrupt

    def _prepare(self) -> None:
        with garbage_collection.paused():
            preparing = self._load_and_begin_first_run()
        garbage_collection.freeze()
        self._heed_signals()
        self._demand_sound_settings()
        if self.peers is not None:
            # Before the example, whose products are copied to content systems.
            self.peers_pid = process.spawn(self.peers.serve, log=self.state.logs / "peers.log")
        if process.wait(preparing, seconds=PREPARE_SECONDS_MAX) != 0:
            raise CannotStart(f"The database could not be prepared{self._tail('prepare')}")
        self.servers.note_prepared()
        self._heed_signals()
        if self.options.demo_data:
            self.example_pid = process.spawn(self._make_example, log=self._new_log("example"))

    def _load_and_begin_first_run(self) -> int:
        self.servers.begin()
        self._set_environment()

        import django
        from django.core.exceptions import ImproperlyConfigured

        try:
            django.setup()
        except ImproperlyConfigured as error:
            raise CannotStart(str(error)) from error
        self.servers.finish()
        self._demand_given_broker()
        preparing = process.spawn(self._first_run, log=self._new_log("prepare"))

        from config.processes import parts

        parts.import_product()
        return preparing

    def _demand_sound_settings(self) -> None:
        from config import worker_start

        # Here, and not by each worker, which would end and be started again.
        if errors := worker_start.errors_of_settings():
            raise CannotStart("\n".join(errors))

    def _demand_given_broker(self) -> None:
        from config.processes import given_servers

        try:
            if self.servers.valkey is None:
                given_servers.demand_broker(os.environ["REDIS_URL"])
        except given_servers.ServerUnfit as error:
            raise CannotStart(str(error)) from error

    def _set_environment(self) -> None:
        self.peers = Peers.wanted(HOST)
        self.environment = {
            **self.servers.environment(),
            **(self.peers.environment if self.peers else {}),
            **self.state.environment(),
            "DAYBOOK_STATE": str(self.state.folder),
        }
        # Served to this machine only, so without encryption.
        os.environ.setdefault("HTTPS", "false")
        # Who tries it out has receivers on this machine, and so has the engine itself.
        os.environ.setdefault("DAYBOOK_HTTP_ALLOW", "127.0.0.0/8,::1/128")
        # Asynchronous steps deliver their results where this is served, on whatever port.
        os.environ.setdefault("DAYBOOK_WEBHOOK_BASE_URL", self.url)
        os.environ.setdefault("PUBLIC_URL", self.url)
        os.environ.setdefault(NOTIFY_URL, f"{self.url}/api/v1/payment-providers/demo/notifications")
        os.environ.update(self.environment)
        if self.options.open_engine:
            open_engine.set_environment()

    def _first_run(self) -> None:
        from config.processes import first_run, given_servers
        from events.tables import migration_status

        try:
            given_servers.demand_database()
            with given_servers.written_to(), first_run.written_at_the_end():
                first_run.prepare(self.state)
                if self.options.demo_data:
                    first_run.make_people(self.state)
                found = first_run.accounts_as_they_are(self.state)
            self._accounts_file.write_text(json.dumps(asdict(found)))
        except (given_servers.ServerUnfit, migration_status.SchemaDiffers) as error:
            # Its log is what the caller is shown: without a traceback.
            print(error, file=sys.stderr)
            raise SystemExit(1) from error

    def _make_example(self) -> None:
        from config.processes import first_run, given_servers

        try:
            with given_servers.written_to(), first_run.written_at_the_end():
                first_run.make_example(self.state)
        except given_servers.ServerUnfit as error:
            print(error, file=sys.stderr)
            raise SystemExit(1) from error

    def _supervise(self, started_at: float) -> int:
        supervisor = self._supervisor()
        try:
            for name, child in supervisor.children.items():
                if not child.part.is_server:
                    supervisor.start(name)
            supervisor.wait_until_ready(seconds=READY_SECONDS_MAX)
            self._wait_for_example(supervisor)
            supervisor.wait_until(self.servers.has_settled, seconds=READY_SECONDS_MAX)
            self.servers.settle()
            return self._serve(supervisor, time.monotonic() - started_at)
        finally:
            self._ignore_signals()
            with contextlib.suppress(OSError):  # The file system may be read-only by now.
                self.state.withdraw()
            supervisor.stop()

    def _wait_for_example(self, supervisor: Supervisor) -> None:
        if (pid := self.example_pid) is None:
            return
        status: int | None = None

        def has_ended() -> bool:
            nonlocal status
            status = process.exit_status(pid)
            return status is not None

        supervisor.wait_until(has_ended, seconds=PREPARE_SECONDS_MAX)
        if status != 0:
            raise CannotStart(f"The example could not be made{self._tail('example')}")

    def _supervisor(self) -> Supervisor:
        from config.processes import parts

        product = parts.product(
            self.listener,
            folder=self.state.folder,
            scratch=self.servers.sockets,
            workers=self.options.workers,
        )
        supervisor = Supervisor([*self._server_parts(), *product], logs=self.state.logs, say=_say)
        self._heed_signals()  # From here on the supervisor hears them.
        self._hand_over_servers(supervisor)
        supervisor.not_for_children(self.lock.close)
        supervisor.on_change(lambda: self._announce(supervisor))
        control.serve(supervisor, self.servers.sockets / "control.sock")
        return supervisor

    def _server_parts(self) -> list[Part]:
        found = []
        if postgres := self.servers.postgres:
            found.append(
                Part(
                    name="postgres",
                    run=_ignoring_ready(postgres.execute),
                    probe=postgres.answers,
                    account=postgres.account,
                    stop_signal=signal.SIGINT,
                    death_signal=signal.SIGINT,
                    last_signal=signal.SIGQUIT,
                    is_server=True,
                )
            )
        if valkey := self.servers.valkey:
            run = _ignoring_ready(valkey.execute)
            found.append(Part(name="valkey", run=run, probe=valkey.answers, is_server=True))
        if self.peers is not None:
            found.append(self.peers.part)
        return found

    def _hand_over_servers(self, supervisor: Supervisor) -> None:
        for name, server in (("postgres", self.servers.postgres), ("valkey", self.servers.valkey)):
            if server and server.pid:
                supervisor.adopt(name, server.pid)
                server.pid = None
        if self.peers_pid is not None:
            supervisor.adopt("peers", self.peers_pid)
            self.peers_pid = None

    def _announce(self, supervisor: Supervisor) -> None:
        pids = {name: child.pid for name, child in supervisor.children.items() if child.pid}
        instance = Instance(
            pid=os.getpid(),
            environment=self.environment,
            url=self.url,
            api_key=self._api_key,
            control=str(self.servers.sockets / "control.sock"),
            parts=pids,
        )
        try:
            self.state.announce(instance)
        except OSError as error:
            # On a full disk a part dies and comes back; what runs must not end for that.
            _say(f"What runs cannot be written down in {self.state.folder}: {error}.")

    def _serve(self, supervisor: Supervisor, cold_start_s: float) -> int:
        if self.options.check:
            return self._check_round_trip(cold_start_s)
        _say(self._summary())
        _say(f"ready {json.dumps(self._ready())}")
        supervisor.run()
        return 0

    def _check_round_trip(self, cold_start_s: float) -> int:
        from config.processes import round_trip

        self._interrupt_by_signals()  # The supervisor, who looks after nothing meanwhile, cannot.
        if self._api_key is None:
            print(
                f"There is no key to check it with: {self._accounts.key_remark}.", file=sys.stderr
            )
            return 1
        try:
            figures = round_trip.run(url=self.url, api_key=self._api_key)
        except round_trip.RoundTripFailed as error:
            print(f"{error}\nThe logs are in {self.state.logs}.", file=sys.stderr)
            return 1
        ready = {
            "cold_start_s": round(cold_start_s, 2),
            "round_trip_ms": figures.median_ms,
            "first_round_trip_ms": figures.first_ms,
        }
        _say(json.dumps(ready))
        return 0

    def _ready(self) -> dict[str, str | None]:
        return {"url": self.url, "api_key": self._api_key, "state": str(self.state.folder)}

    @property
    def _accounts_file(self) -> Path:
        return self.servers.sockets / "accounts.json"

    @property
    def _accounts(self) -> "Accounts":
        """What the first run found: this process itself asks no database."""
        from config.processes.first_run import Accounts

        return Accounts(**json.loads(self._accounts_file.read_text()))

    @property
    def _api_key(self) -> str | None:
        return self.state.secrets()["API_KEY"] if self._accounts.key_opens else None

    def _summary(self) -> str:
        accounts = self._accounts
        people = accounts.told(password=self.state.secrets()["DEMO_PASSWORD"])
        remark = f" ({accounts.key_remark})" if accounts.key_remark else ""
        return f"""
Daybook is up.

  Console   {self.url}/
  Admin     {self.url}/admin/
  API       {self.url}/api/v1
  WebSocket {self.url.replace("http", "ws", 1)}/ws/events
  Log in    {people}
  API key   {self._api_key or "none"}{remark}
  State     {self.state.folder} (logs in {self.state.logs})

Ctrl-C stops it.
"""

    def _new_log(self, part: str) -> Path:
        # Its end is shown when a start fails, and must not be that of an earlier start.
        log = self.state.logs / f"{part}.log"
        log.unlink(missing_ok=True)
        return log

    def _tail(self, part: str, lines: int = 20) -> str:
        """Return the end of a sentence: what the part said last."""
        tail = (self.state.logs / f"{part}.log").read_text().splitlines()[-lines:]
        return f": {tail[0]}" if len(tail) == 1 else ":\n\n" + "\n".join(tail)


def _ignoring_ready(execute: Callable[[], object]) -> Callable[[Callable[[], None]], object]:
    return lambda _ready: execute()


def _say(text: str) -> None:
    print(text, flush=True)

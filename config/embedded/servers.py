"""Both embedded servers together, and the environment that points at them."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.embedded import binaries
from config.embedded.postgres import OWNER, RUNTIME, SUPERUSER, Postgres
from config.embedded.process import Account, server_account
from config.embedded.state import SecretsMissing, State
from config.embedded.valkey import Valkey


@dataclass(slots=True, kw_only=True)
class Servers:
    """What this process runs, for it has not been given servers by the environment."""

    state: State
    sockets: Path
    postgres: Postgres | None
    valkey: Valkey | None

    @classmethod
    def wanted(cls, state: State, *, careless: bool = False) -> "Servers":
        """Return the servers that the environment does not name.

        `careless` ones are faster and lose their data with the machine's power.
        """
        account = server_account()
        sockets = _socket_folder(state, account)
        logs = state.logs
        postgres = Postgres(
            folder=state.folder,
            sockets=sockets,
            log=logs / "postgres.log",
            account=account,
            careless=careless,
        )
        return cls(
            state=state,
            sockets=sockets,
            postgres=None if os.environ.get("DATABASE_URL") else postgres,
            valkey=None
            if os.environ.get("REDIS_URL")
            else Valkey(sockets=sockets, log=logs / "valkey.log"),
        )

    @property
    def is_prepared(self) -> bool:
        """Return whether a first run of the database, in this start or before, came to its end."""
        return self.postgres is None or self.postgres.prepared.exists()

    def note_prepared(self) -> None:
        """Remember that the first run came to its end."""
        if self.postgres:
            self.postgres.prepared.touch()

    def begin(self) -> None:
        """Start what takes time; the caller may import Django meanwhile.

        :raises ServersUnavailable: if a server cannot run here.
        :raises SecretsMissing: if there is a database without the secrets to read it.
        """
        if self.valkey:
            binaries.valkey()
            self.valkey.start()
        if self.postgres:
            self.postgres.find()
            if self.is_prepared and not self.postgres.is_new and not self.state.has_data_keys():
                raise SecretsMissing(self.state)
            self.postgres.begin()

    def finish(self) -> None:
        """Wait until both answer.

        :raises ServersUnavailable: if one does not.
        """
        if self.postgres:
            self.postgres.wait_until_ready()
            self.postgres.begin_syncing()
            self.postgres.create_roles()
        if self.valkey:
            self.valkey.wait_until_ready()

    def has_settled(self) -> bool:
        """Return whether `settle` would return at once."""
        return self.postgres is None or self.postgres.has_synced()

    def settle(self) -> None:
        """Return when what was made new would be found again after a loss of power.

        :raises ServersUnavailable: if it cannot be written.
        """
        if self.postgres:
            self.postgres.finish_syncing()

    def environment(self, *, superuser: bool = False) -> Mapping[str, str]:
        """Return the variables that point the settings at these servers."""
        found = {}
        if self.postgres:
            found["DATABASE_URL"] = self.postgres.url(SUPERUSER if superuser else RUNTIME)
            found["DATABASE_OWNER_URL"] = self.postgres.url(SUPERUSER if superuser else OWNER)
        if self.valkey:
            found["REDIS_URL"] = self.valkey.url
        return found

    def stop(self) -> None:
        """Stop both, and leave nothing behind but the data."""
        if self.valkey:
            self.valkey.stop()
        if self.postgres:
            self.postgres.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)
        forget_sockets(self.state)


def _socket_folder(state: State, account: Account) -> Path:
    forget_sockets(state)  # Their owner was killed.
    # /tmp, and not where TMPDIR points: the path of a unix socket holds 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="daybook-", dir="/tmp"))
    try:
        _pointer(state).write_text(str(folder))
        os.chown(folder, account.uid, account.gid)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return folder


def forget_sockets(state: State) -> None:
    """Take the folder of sockets of a state away, if it has any."""
    if (pointer := _pointer(state)).is_file():
        shutil.rmtree(pointer.read_text(), ignore_errors=True)
        pointer.unlink()


def _pointer(state: State) -> Path:
    return state.folder / "sockets"

"""The state folder of an installation: its secrets, its data, and who is using it now."""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from config import checkout

_DATA_KEYS = "LEDGER_DATA_KEYS"
_NO_SECRETS = (
    "What the database keeps of people is sealed with its keys, so new ones would open nothing: "
    "put the file back from a copy. To start afresh, with nothing of what was, move {folder} away."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What runs on a state folder at this moment, as written there for others to find."""

    pid: int
    environment: dict[str, str]
    url: str | None = None
    api_key: str | None = None
    control: str | None = None
    parts: dict[str, int] = field(default_factory=dict)


class StateRefused(Exception):
    """Nothing can run on this state folder. The message is for the person at the terminal."""


class StateBusy(StateRefused):
    """Another process owns the servers of this state folder."""

    def __init__(self, state: "State", instance: Instance | None) -> None:
        super().__init__(
            f"Daybook already runs on {state.folder}"
            + (f" at {instance.url}" if instance and instance.url else "")
            + (f" (process {instance.pid})" if instance else "")
            + ". Stop it first, or use another --state."
        )


class StateUnusable(StateRefused):
    """The folder cannot be made or written to, or is none."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"{folder} cannot hold the state of Daybook: {error.strerror}. Use another --state."
        )


class SecretsDamaged(StateRefused):
    """The file of secrets is there, and cannot be read as one."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged. {_NO_SECRETS.format(folder=path.parent)}")


class SecretsMissing(StateRefused):
    """There is a database, and not the keys with which it is sealed."""

    def __init__(self, state: "State") -> None:
        super().__init__(
            f"{state.folder}/secrets.json does not have the keys of the database beside it any "
            f"more. {_NO_SECRETS.format(folder=state.folder)}"
        )


class State:
    """One folder, private to its user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @classmethod
    def chosen(cls, folder: str | None = None) -> Self:
        """Return the folder asked for, or the one named by DAYBOOK_STATE, or `.daybook`.

        That is in the checkout, or where Daybook was installed, in the working directory.
        """
        default = (Path.cwd() if checkout.IS_INSTALLED else checkout.ROOT) / ".daybook"
        return cls(Path(folder or os.environ.get("DAYBOOK_STATE") or default))

    def prepare(self) -> None:
        """Make the folder.

        :raises StateUnusable: if it cannot be made.
        """
        # Root's PostgreSQL is `nobody`, who must get through to the data, and only to that.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.folder.mkdir(mode=mode, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateUnusable(self.folder, error) from error

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def environment(self) -> dict[str, str]:
        """Return the keys of this installation, as the settings want them."""
        made = {
            "SECRET_KEY": _signing_key,
            "COMMERCE_PAYMENT_WEBHOOK_SECRETS": _webhook_secret,
            _DATA_KEYS: _sealing_key,
            "LEDGER_SIGNING_KEY": _sealing_key,
        }
        return {
            name: os.environ.get(name) or self.secret(name, make) for name, make in made.items()
        }

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """Return the secret that `make` made once for this installation."""
        if name not in self.secrets():
            self.keep_secret(name, make())
        return self.secrets()[name]

    def secrets(self) -> dict[str, str]:
        """Return everything kept by `keep_secret`.

        :raises SecretsDamaged: if that is not what is in the file.
        :raises StateUnusable: if it belongs to somebody else.
        """
        try:
            kept = json.loads(self._secrets.read_text())
        except FileNotFoundError:
            return {}
        except PermissionError as error:
            raise StateUnusable(self.folder, error) from error
        except ValueError as error:
            raise SecretsDamaged(self._secrets) from error
        if not isinstance(kept, dict):
            raise SecretsDamaged(self._secrets)
        return kept

    def has_data_keys(self) -> bool:
        """Return whether what is sealed here can be opened: with keys that are kept, or given."""
        given = os.environ.get(_DATA_KEYS) or os.environ.get(f"{_DATA_KEYS}_FILE")
        return bool(given) or _DATA_KEYS in self.secrets()

    def keep_secret(self, name: str, value: str) -> None:
        """Keep a secret, readable by this user only; a loss of power does not take it again.

        The database outlives one, and without its keys it would be of no use.
        """
        kept = json.dumps({**self.secrets(), name: value}, indent=1)
        _write_private(self._secrets, kept, is_durable=True)

    @property
    def _secrets(self) -> Path:
        return self.folder / "secrets.json"

    def own(self) -> IO[str] | None:
        """Try to become the one process that runs servers here; the lock goes with the file.

        :raises StateUnusable: if the folder cannot be written to.
        """
        handle = self._open("owner.lock")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        self.withdraw()  # What a killed owner announced is not true any more.
        return handle

    @contextmanager
    def in_use(self) -> Iterator[IO[str]]:
        """Hold on to whatever runs here, so that it is not stopped under our feet.

        :raises StateUnusable: if the folder cannot be written to.
        """
        with self._open("users.lock") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield handle

    @contextmanager
    def one_at_a_time(self, lock: str, on_wait: Callable[[], object]) -> Iterator[None]:
        """Do what one process at a time may; `on_wait` is called if another does it now.

        :raises StateUnusable: if the folder cannot be written to.
        """
        with self._open(lock) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def wait_for_users(self, handle: IO[str]) -> None:
        """Wait until only the owner of `handle` uses the servers."""
        fcntl.flock(handle, fcntl.LOCK_EX)

    def announce(self, instance: Instance) -> None:
        """Let other commands find what runs here."""
        _write_private(self._instance, json.dumps(asdict(instance), indent=1))

    def withdraw(self) -> None:
        """Say that nothing runs here any more."""
        self._instance.unlink(missing_ok=True)

    def announced(self) -> Instance | None:
        """Return what its owner announced, whether it still lives or not."""
        try:
            found: dict[str, Any] = json.loads(self._instance.read_text())
        except FileNotFoundError:
            return None
        return Instance(**found)

    def running(self) -> Instance | None:
        """Return what runs here now."""
        if not self.folder.exists():
            return None
        if lock := self.own():
            lock.close()
            return None
        return self.announced()

    def _open(self, lock: str) -> IO[str]:
        try:
            return (self.folder / lock).open("w")
        except OSError as error:
            raise StateUnusable(self.folder, error) from error

    @property
    def _instance(self) -> Path:
        return self.folder / "instance.json"


def _signing_key() -> str:
    return secrets.token_urlsafe(48)


def _sealing_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _webhook_secret() -> str:
    return f"whsec_{_sealing_key()}"


def _write_private(path: Path, text: str, *, is_durable: bool = False) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
        if is_durable:
            handle.flush()
            os.fsync(handle.fileno())
    draft.replace(path)
    if is_durable:
        _sync_names(path.parent)


def _sync_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

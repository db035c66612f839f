"""Installs what the lock files pin, if it is missing. Standard library only.

Runs before anything is installed, so nothing here may import a dependency.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from config import checkout

ROOT = checkout.ROOT
VENV = ROOT / ".venv"
# The first is none that is imported to come so far.
_OURS = ("commerce", "config", "console", "events", "examples", "ledger", "workflows")

NO_VENV_MODULE = (
    "Daybook makes itself a virtual environment, and this Python cannot:\n"
    "it has no `ensurepip`. On Debian and Ubuntu run\n\n"
    "    apt install python3-venv\n\n"
    "or put `uv` on the PATH; then try again."
)


class CannotInstall(Exception):
    """The environment could not be made. The message is for the person at the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A set of dependencies: the lock that pins it, and the extra that names it."""

    lock: Path
    extra: str | None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()


RUNNING = Profile(lock=ROOT / "requirements.lock", extra=None)
CHECKING = Profile(lock=ROOT / "requirements-dev.lock", extra="dev")


def ensure(profile: Profile, *, venv: Path = VENV) -> Path:
    """Return the interpreter that satisfies `profile`, installing first if need be.

    :raises CannotInstall: if the environment could not be made.
    """
    if checkout.IS_INSTALLED:
        return Path(sys.executable)
    inside = Path(sys.prefix) == venv
    if not inside and _has_everything(profile):
        return Path(sys.executable)
    try:
        # In a read-only folder there is no lock, and nothing left to install.
        if os.access(venv.parent, os.W_OK) or not _is_installed(profile, venv):
            with _alone(venv):
                _install(profile, venv)
    except PermissionError as error:
        # Made by somebody else, whose files or whose Python this user cannot reach.
        raise CannotInstall(
            f"{venv} is not for this user: {error}. "
            "Take it away, and another is made; or use a copy of the project of your own."
        ) from error
    return Path(sys.executable) if inside else _python(venv)


def compile_once(python: Path, *, root: Path = ROOT) -> None:
    """Compile the project's modules once, for the same reason as the installed ones.

    Where the source cannot be written to, it is read as it is.
    """
    if (root / _OURS[0] / "__pycache__").exists() or not os.access(root, os.W_OK):
        return
    command = [str(python), "-m", "compileall", "-q", *_OURS]
    subprocess.run(command, cwd=root, capture_output=True, check=False)  # noqa: S603


def _has_everything(profile: Profile) -> bool:
    """Return whether this interpreter (a container's, somebody's own venv) already suits."""
    try:
        for name in _direct_dependencies(profile):
            metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _direct_dependencies(profile: Profile) -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    if profile.extra:
        wanted += project["optional-dependencies"][profile.extra]
    for requirement in wanted:
        yield requirement.split(">")[0].split("=")[0].split("<")[0].split("[")[0].strip()


@contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Let one process at a time touch the environment; the second finds it done."""
    try:
        handle = venv.with_name(f"{venv.name}.lock").open("w")
    except OSError as error:
        raise CannotInstall(f"{venv.parent} cannot be written to: {error}.") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _install(profile: Profile, venv: Path) -> None:
    if _is_installed(profile, venv):
        return
    profile = _wanted(profile, venv)
    print(f"Installing {profile.lock.name} into {venv} …", file=sys.stderr, flush=True)
    uv = shutil.which("uv")
    for command in (_with_uv if uv else _with_pip)(profile, venv):
        _run(command)
    _stamp(venv).write_text(json.dumps({profile.lock.name: profile.fingerprint}))


def _wanted(profile: Profile, venv: Path) -> Profile:
    # The checking lock contains the running one: never take the tools away again.
    is_checking = profile is RUNNING and CHECKING.lock.name in _installed(venv)
    return CHECKING if is_checking else profile


def _is_installed(profile: Profile, venv: Path) -> bool:
    wanted = _wanted(profile, venv)
    return _installed(venv).get(wanted.lock.name) == wanted.fingerprint


def _installed(venv: Path) -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(_stamp(venv).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if _python(venv).exists() else {}


def _with_uv(profile: Profile, venv: Path) -> Iterator[list[str]]:
    if not _python(venv).exists():
        # The running interpreter by its path: uv would otherwise trip over pyenv's shims.
        yield ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)]
    # Compiled once here, or else at every start where bytecode is not written.
    sync = ["uv", "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes"]
    yield [*sync, "--python", str(_python(venv)), str(profile.lock)]


def _with_pip(profile: Profile, venv: Path) -> Iterator[list[str]]:
    pip = [str(_python(venv)), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    if not _python(venv).exists() or not _answers([*pip, "--version"]):
        if importlib.util.find_spec("ensurepip") is None:
            raise CannotInstall(NO_VENV_MODULE)
        yield [sys.executable, "-m", "venv", "--clear", str(venv)]
    yield [*pip, "install", "--require-hashes", "-r", str(profile.lock)]


def _answers(command: list[str]) -> bool:
    # uv makes environments without pip; one left by it is made anew.
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode:
        raise CannotInstall(f"This failed, see above: {' '.join(command)}")


def _stamp(venv: Path) -> Path:
    return venv / "daybook-installed.json"


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def enter(python: Path, arguments: list[str]) -> None:
    """Continue under `python`; return only if this is it already."""
    if python != Path(sys.executable):
        os.execv(python, [str(python), *arguments])  # noqa: S606

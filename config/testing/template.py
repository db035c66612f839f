"""A data folder whose database is migrated already, made once and copied by whoever needs one.

To make one takes as long as two hundred tests: `initdb`, and every migration. Each worker of
xdist paid for it, and each test with an installation of its own. A template is named by what
it was made of, so that a changed migration finds none, and makes its own.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from config.bootstrap import ROOT
from config.embedded.postgres import OWNER, RUNTIME, Postgres
from config.embedded.process import server_account
from config.embedded.state import State
from config.testing import throwaway

FOLDER = ROOT / ".database_templates"
# Enough to go back and forth between two branches.
KEPT_MAX = 2
# Names the database that the test settings have their own copied from.
VARIABLE = "DAYBOOK_TEST_TEMPLATE"

_IMPORT = re.compile(
    r"^\s*(?:from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n#]+)|import\s+([^\n#]+))", re.MULTILINE
)
_NOT_OURS = {"tests", "docs", "static", "templates"}
# Beside the migrations: what runs them, for whom, and on what.
_ALSO = (
    "config.embedded.postgres",
    "config.management.commands.migrate",
    "config.settings.test",
    "config.testing.template",
)


def install_template(state: State) -> None:
    """Give a new `state` a data folder with a migrated database, and nothing in its tables.

    :raises ServersUnavailable: if PostgreSQL cannot run here.
    """
    if not os.access(ROOT, os.W_OK):
        return  # Nothing can be kept beside a source that is read-only: `up` does it all itself.
    postgres = _postgres(state.folder, sockets=state.folder, log=state.logs / "postgres.log")
    postgres.find()
    with kept(FOLDER, fingerprint(postgres.programs), _make) as template:
        _copy(template, postgres.data)


@contextmanager
def kept(folder: Path, name: str, make: Callable[[Path], object]) -> Iterator[Path]:
    """Give what `make` has put in `folder` under `name`, now or for an earlier run.

    The others who want something of the folder wait. Of what it keeps the oldest goes.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = folder / name
        if not found.exists():
            # Under its name only when it is whole.
            draft = folder / "draft"
            shutil.rmtree(draft, ignore_errors=True)
            make(draft)
            draft.rename(found)
        found.touch()
        _forget_the_oldest(folder)
        yield found


def _forget_the_oldest(folder: Path) -> None:
    every = [each for each in folder.iterdir() if each.is_dir()]
    every.sort(key=lambda each: each.stat().st_mtime_ns, reverse=True)
    for each in every[KEPT_MAX:]:
        shutil.rmtree(each)


def fingerprint(programs: Path, root: Path = ROOT) -> str:
    """Return a name for what `programs` and the migrations below `root` would make."""
    digest = hashlib.sha256(str(programs).encode())
    # Django and other people's apps bring migrations too.
    installed = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    digest.update(repr(sorted(found.name for found in installed)).encode())
    for path in sorted(ingredients(root)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:16]


def ingredients(root: Path = ROOT) -> set[Path]:
    """Return all files in the folders of migrations, and every module that they import."""
    ours = [each for each in root.iterdir() if each.is_dir() and each.name not in _NOT_OURS]
    packages = [each for each in ours if (each / "__init__.py").exists()]
    found: set[Path] = set()
    unread = [
        path
        for package in packages
        for path in package.glob("**/migrations/**/*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    unread += _files_of(_ALSO, root)
    while unread:
        path = unread.pop()
        if path not in found:
            found.add(path)
            if path.suffix == ".py":
                unread += _files_of(_imported_by(path), root)
    return found


def _imported_by(path: Path) -> Iterator[str]:
    # Not `ast`: to parse the long migrations takes longer than to copy the template.
    for package, names, modules in _IMPORT.findall(path.read_text()):
        yield from re.findall(r"[\w.]+", modules)
        if package:
            yield from (f"{package}.{name}" for name in re.findall(r"\w+", names))


def _files_of(modules: Iterable[str], root: Path) -> Iterator[Path]:
    """Return the files of ours that importing `modules` runs."""
    for module in modules:
        names = module.split(".")
        for length in range(1, len(names) + 1):
            place = root.joinpath(*names[:length])
            candidates = (place / "__init__.py", place.with_suffix(".py"))
            yield from (path for path in candidates if path.exists())


def _make(template: Path) -> None:
    with throwaway.temporary_folder("daybook-template-") as place:
        account = server_account()
        sockets = place / "sockets"
        sockets.mkdir()
        os.chown(sockets, account.uid, account.gid)
        postgres = _postgres(place, sockets=sockets, log=place / "log")
        postgres.find()
        postgres.begin()
        try:
            postgres.wait_until_ready()
            postgres.create_roles()
            _migrate(postgres)
        finally:
            postgres.stop(seconds=60)
        _copy(postgres.data, template)


def _postgres(folder: Path, *, sockets: Path, log: Path) -> Postgres:
    return Postgres(
        folder=folder, sockets=sockets, log=log, account=server_account(), careless=True
    )


def _migrate(postgres: Postgres) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": postgres.url(RUNTIME),
        "DATABASE_OWNER_URL": postgres.url(OWNER),
        "REDIS_URL": "unix:///not-started",
    }
    environment.pop(VARIABLE, None)
    subprocess.run([sys.executable, "-m", __name__], cwd=ROOT, env=environment, check=True)  # noqa: S603


def _migrate_only() -> None:
    """Migrate, but leave what it installs afterwards to the settings of whoever copies."""
    import django  # noqa: PLC0415 - only this process has settings.
    from django.core.management import call_command  # noqa: PLC0415
    from django.core.management.commands import migrate  # noqa: PLC0415

    django.setup()
    with mock.patch.object(migrate, "emit_post_migrate_signal"):
        call_command("migrate", verbosity=0)


def _copy(source: Path, target: Path) -> None:
    # `cp` keeps owner and modes, which PostgreSQL insists on, in a tenth of Python's time.
    subprocess.run(["cp", "-a", source, target], check=True)  # noqa: S603, S607


if __name__ == "__main__":
    _migrate_only()

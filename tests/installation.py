"""A whole installation of a test's own: its PostgreSQL, its Valkey, and their end.

For faults that nobody else may share. Real processes, a real disk.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.embedded.servers import Servers
from config.embedded.state import State
from config.testing import template
from tests.live import ROOT

_MAKE_KEY = """
from datetime import timedelta
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from ledger import grants
from ledger.services import api_keys
from tests import trips
trips.declare()
grants.provision()
user = User.objects.create_user("watcher")
user.user_permissions.add(Permission.objects.get(codename=trips.READ))
_, secret = api_keys.issue_api_key(
    name="k", owner=user, scopes=["*"], expires_at=timezone.now() + timedelta(days=1)
)
print(secret.text)
"""


class Installation:
    """Servers with a migrated database; `environment` points a process at them."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o711)
        state = State(folder)
        state.prepare()
        template.lay_into(state)
        with _without("DATABASE_URL", "REDIS_URL"):
            self.servers = Servers.wanted(state)
            self.servers.begin()
            self.servers.finish()
        assert self.servers.postgres is not None
        assert self.servers.valkey is not None
        self.postgres = self.servers.postgres
        self.valkey = self.servers.valkey
        self.environment: Mapping[str, str] = {
            **os.environ,
            **self.servers.environment(superuser=True),
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        }
        self._run("manage.py", "migrate", "--verbosity", "0")
        self.secret = self._run("manage.py", "shell", "--verbosity", "0", "-c", _MAKE_KEY).strip()

    def stop(self) -> None:
        self.servers.stop()

    def start(self, *arguments: str, has_pipes: bool = False) -> "subprocess.Popen[str]":
        """Start a Python process of the product, perhaps one to talk with."""
        pipe = subprocess.PIPE if has_pipes else None
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdin=pipe,
            stdout=pipe,
        )

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout


@contextmanager
def _without(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)

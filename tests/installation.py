"""A whole installation of a test's own: its PostgreSQL, its Valkey, and their end.

For faults that nobody else may share. Real processes, a real disk.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.embedded.servers import Servers
from config.embedded.state import State
from config.testing import fork_server, template
from config.testing.fork_server import Forked
from tests.live import PATIENCE_S

_MAKE_READY = """
from datetime import timedelta
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.utils import timezone
from ledger.services import api_keys
from tests import trips
trips.declare()
call_command("migrate", verbosity=0)
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
        template.install_template(state)
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
        self.secret = self._made_ready(state.logs / "made-ready.log")

    def stop(self) -> None:
        self.servers.stop()

    def start(self, *arguments: str, files: Mapping[int, int] | None = None) -> Forked:
        """Start `python -m …` on it, perhaps with open files of ours."""
        return fork_server.start(*arguments, environment=self.environment, files=files)

    def _made_ready(self, output: Path) -> str:
        """Lay down what migrations do not, and return a key that may do everything."""
        command = ["django", "shell", "--verbosity", "0", "--no-imports", "-c", _MAKE_READY]
        process = fork_server.start(*command, environment=self.environment, log=output)
        assert process.wait(PATIENCE_S) == 0, output.read_text()
        return output.read_text().split()[-1]


@contextmanager
def _without(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)

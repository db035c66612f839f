"""Management commands, run by a process that need not import the product."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.processes.stack import Stack
from config.testing import fork_server

PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it said."""

    returncode: int
    text: str


def manage(stack: Stack, *arguments: str) -> Done:
    """Run `manage.py` with these arguments on `stack`."""
    return manage_in(stack.environment, *arguments)


def manage_in(environment: Mapping[str, str], *arguments: str) -> Done:
    """Run `manage.py` with these arguments in exactly this environment."""
    with tempfile.TemporaryDirectory(prefix="daybook-managed-") as folder:
        log = Path(folder) / "log"
        process = fork_server.start("manage", *arguments, environment=environment, log=log)
        return Done(process.wait(PATIENCE_S), log.read_text())


def create_decider(stack: Stack, name: str, *, password: str) -> str:
    """Make somebody else than the demo user, who may decide approvals; return their name."""
    code = (
        "from django.contrib.auth.models import Permission, User;"
        f"user = User.objects.create_user('{name}', password='{password}');"
        "user.user_permissions.set(Permission.objects.filter("
        "content_type__app_label='ledger', codename__in=['approval.read', 'approval.decide']))"
    )
    done = manage(stack, "shell", "-v0", "-c", code)
    assert done.returncode == 0, done.text
    return name

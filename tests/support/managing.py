"""Management commands on a running Daybook, by a process that need not import the product."""

from dataclasses import dataclass
from itertools import count

from config.stack import Stack
from tests import fork_server

PATIENCE_S = 180.0
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it said."""

    returncode: int
    text: str


def manage(stack: Stack, *arguments: str) -> Done:
    """Run a management command on `stack`, as `Stack.manage` does."""
    log = stack.state.logs / f"managed-{next(_numbers)}.log"
    environment = {**stack.environment, "DJANGO_SETTINGS_MODULE": "config.settings.base"}
    process = fork_server.start("django", *arguments, environment=environment, log=log)
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

"""System checks of the platform; those marked so are for `check --deploy`."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection

from config import roles
from events import failpoints
from events.fanout import limits
from workflows.flows import conf as flows
from workflows.work import conf as work

_READ_WHEN_NEEDED = (limits.current, work.current, flows.current)
"""What reads settings whose values must agree: else whoever needs them first would find out."""

WITH_FAILPOINTS = (
    "events.group_commit",
    "events.sequencer",
    "ledger.idempotency",
    "ledger.services.seals",
    "workflows.flows.execution.approval_requests",
    "workflows.webhooks.delivery",
    "workflows.work.doorbell",
    "workflows.work.runner",
    "workflows.work.sweeper",
)
"""The modules that declare some. No process needs all of them, but each may be told any."""


@register(Tags.security, deploy=True)
def check_roles(**_: Any) -> list[CheckMessage]:
    """Check that the product does not own the tables that it may only add to."""
    if roles.runtime_role():
        return []
    return [
        checks.Warning(
            "The product runs as the role that owns its tables, and could switch off what"
            " keeps them append-only.",
            hint="Set DATABASE_OWNER_URL to the owner, and DATABASE_URL to a role without rights"
            " of its own; `manage.py migrate` grants what it needs.",
            id="platform.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_engine(**_: Any) -> list[CheckMessage]:
    """Find an engine that is open: whoever reaches it starts flows and gives their results."""
    if not settings.OPEN_ENGINE:
        return []
    return [
        checks.Warning(
            "/engine and /webhook are open to everybody: neither asks for a key or a signature.",
            hint="Leave OPEN_ENGINE out, and give Argyll's clients API keys.",
            id="platform.W002",
        )
    ]


@register()
def check_broker(**_: Any) -> list[CheckMessage]:
    """Find a broker that Celery has no way to. Its URL may hold a password: it is not repeated."""
    hint = "Say redis://, rediss:// or amqp://, or install what Celery needs for the other."
    why = _why_no_way_to(str(settings.CELERY_BROKER_URL))
    if not why:
        return []
    says = f"CELERY_BROKER_URL names no broker that Celery can use here: {why}."
    return [checks.Error(says, hint=hint, id="platform.E002")]


def _why_no_way_to(url: str) -> str:
    if "://" not in url:
        return "it is no URL"
    try:
        _ = Connection(url).transport  # Loads the library; connects to nothing.
    except ValueError:
        return "it cannot be read"  # What the error says may be the password.
    except Exception as error:  # noqa: BLE001 (an edge: what is not installed fails in many ways)
        return str(error)
    return ""


@register()
def check_values(**_: Any) -> list[CheckMessage]:
    """Find settings that an app refuses."""
    messages: list[CheckMessage] = []
    for read in _READ_WHEN_NEEDED:
        try:
            read()
        except ImproperlyConfigured as error:
            hint = "docs/settings.md says what each of them means."
            messages.append(checks.Error(str(error), hint=hint, id="platform.E001"))
    return messages


@register()
def check_failpoints(**_: Any) -> list[CheckMessage]:
    """Find a failpoint in the environment that nothing declares."""
    for module in WITH_FAILPOINTS:
        import_module(module)
    try:
        failpoints.demand_known()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="platform.E003")]
    return []

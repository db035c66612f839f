"""System checks of this app."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from workflows.work import queues, registry


@register()
def queues_are_declared(**_: Any) -> list[CheckMessage]:
    """Find kinds in a queue that a worker without `-Q` would not take from."""
    default = settings.CELERY_TASK_DEFAULT_QUEUE
    declared = {queues.named(queue.name, default) for queue in settings.CELERY_TASK_QUEUES}
    return [
        Error(
            f"{kind.name} waits in the queue {kind.queue}, which Celery does not know.",
            hint="Add it to CELERY_TASK_QUEUES (workflows/work/queues.py), or route the kind "
            "by WORK_QUEUES.",
            id="work.E001",
        )
        for kind in registry.all_kinds()
        if kind.queue not in declared
    ]


@register()
def routed_kinds_exist(**_: Any) -> list[CheckMessage]:
    """Find names in WORK_QUEUES that no kind has."""
    return [
        Error(
            f"WORK_QUEUES routes {name}, and there is no such kind of work.",
            hint="Compare with the kinds that the filter of /jobs offers.",
            id="work.E002",
        )
        for name in settings.WORK_QUEUES
        if not registry.is_known(name)
    ]


@register()
def mails_lead_somewhere(**_: Any) -> list[CheckMessage]:
    """Ask for the address that the links in mails begin with, if mails are sent."""
    if not settings.APPROVAL_MAIL_FROM or settings.PUBLIC_URL.startswith(("https://", "http://")):
        return []
    return [
        checks.Warning(
            "Mails about approvals are sent, and their links lead nowhere.",
            hint="Set PUBLIC_URL to the URL of the console, such as https://daybook.example.org.",
            id="work.W001",
        )
    ]

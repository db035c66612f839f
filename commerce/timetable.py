"""Schedules of commerce's recurring jobs. `migrate` installs them; then they are the operator's."""

from django.conf import settings

from events.tables import migration_status
from workflows.work import services
from workflows.work.models import Schedule

EXPIRE_HOLDS = "commerce.expire_holds"
POLL_OPEN = "commerce.poll_open_settlements"
MARK_OVERDUE = "commerce.mark_overdue"
FORGET_DOCUMENTS = "commerce.forget_documents"

EVERY = {EXPIRE_HOLDS: "30s", POLL_OPEN: "1m", MARK_OVERDUE: "1h", FORGET_DOCUMENTS: "1d"}


def install_defaults(*, plan: object = None, **_signal: object) -> None:
    """Declare the schedules that are missing; those that are there stay as they were set.

    Listens to post_migrate. A flush sends the same signal without a plan, and wants no rows.
    """
    if plan is None or not settings.COMMERCE_TIMETABLE or not migration_status.is_complete():
        return
    known = set(Schedule.objects.filter(name__in=EVERY).values_list("name", flat=True))
    for kind in EVERY.keys() - known:
        services.schedule(kind, every=EVERY[kind])

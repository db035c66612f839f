"""Do what a worker does, in the test: claim what is due and run it."""

from uuid import UUID

from workflows.work import registry, runner
from workflows.work.models import Work


def work_off() -> int:
    """Run one thing that is due now, as a worker would."""
    return runner.work_off(worker="test", kinds=registry.names())


def work_off_all(tries: int = 10) -> None:
    """Run everything, and at once again what wants another try."""
    for _ in range(tries):
        while work_off():
            pass
        Work.objects.filter(status__in=["retry", "scheduled"]).update(due_at="2020-01-01T00:00:00Z")


def status_of(work_id: UUID | str | None) -> str:
    return Work.objects.get(pk=work_id).status

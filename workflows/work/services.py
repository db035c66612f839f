"""The services of jobs: enqueue, schedule, cancel, retry, discard. One durable transaction each.

A caller that wants the work to be part of its own transaction uses `queue`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from events import context
from events.domain.errors import NotFound
from ledger import idempotency, recording
from ledger.domain.action import Action, Kind, Target
from ledger.privacy import subjects
from workflows.work import documents, queue, registry, schedules, statements
from workflows.work.domain.claim import WorkRef
from workflows.work.domain.life import State
from workflows.work.domain.timing import Missed, Overlap, Rule, cadence_s
from workflows.work.models import Schedule
from workflows.work.registry import JSON, KindUnknown, WorkKind


class ScheduleNotFound(NotFound):
    code = "schedule_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no schedule {name!r}.", name=name)


def enqueue(  # noqa: PLR0913 (one argument per property of a job)
    name: str,
    input: JSON,  # noqa: A002 (the word of the contract)
    *,
    delay: timedelta | float | None = None,
    due_at: datetime | None = None,
    max_attempts: int | None = None,
    idempotency_key: str | None = None,
    priority: int = 0,
    subject: str = "",
    only_public: bool = False,
) -> WorkRef:
    """Enqueue the job `name`, due at `due_at` or after `delay` (seconds or timedelta).

    The same key with the same input returns the first job, whatever has become of it.

    :raises KindUnknown: if there is no such kind, or it is not public and that is asked for.
    :raises InputInvalid: if the kind does not take this input.
    :raises JobKeyConflict: if the key belongs to a job with another input.
    """
    _allow(name, only_public=only_public)
    wait = delay if isinstance(delay, timedelta) else timedelta(seconds=delay or 0)
    with idempotency.transaction() as unit:
        ref = queue.enqueue(
            name,
            subject=subject,
            input=input,
            due_at=due_at,
            delay=wait,
            priority=priority,
            idempotency_key=idempotency_key,
            max_attempts=max_attempts,
        )
        unit.refer(str(ref.id))
    return ref


def capability_of(name: str, *, pointer: str = "/name") -> str:
    """Return the capability that having a job done needs, now or by a schedule; empty if none.

    :raises KindUnknown: if there is no such kind, or it is not public.
    """
    return _allow(name, only_public=True, pointer=pointer).capability


def cancel(work_id: UUID, *, reason: str = "") -> State:
    """Cancel waiting work at once; ask running work to stop.

    :raises WorkNotFound: if there is no such work.
    :raises NotPossible: if it is over.
    :raises PartOfAnother: if something else waits for its outcome.
    """
    with recording.recorded(_action("job.cancel", work_id, reason)):
        return queue.cancel(work_id, reason=reason)


def retry(work_id: UUID, *, reason: str = "") -> State:
    """Retry a dead letter, with a new budget of attempts and the same token and history.

    Or a part of something else that was cancelled or discarded, as `queue.re_drive` says.

    :raises WorkNotFound: if there is no such work.
    :raises NotPossible: if it is none of these.
    :raises KindGone: if this release does not know its kind.
    """
    with recording.recorded(_action("job.retry", work_id, reason)):
        return queue.re_drive(work_id, reason=reason)


def discard(work_id: UUID, *, reason: str) -> State:
    """Discard a dead letter. Final.

    :raises WorkNotFound: if there is no such work.
    :raises NotPossible: if it is no dead letter.
    :raises PartOfAnother: if something else waits for its outcome.
    :raises ReasonMissing: without a reason.
    """
    with recording.recorded(_action("job.discard", work_id, reason)):
        return queue.discard(work_id, reason=reason)


def schedule(  # noqa: PLR0913 (one argument per property of a schedule)
    job: str,
    *,
    name: str | None = None,
    cron: str = "",
    every: str | float | timedelta | None = None,
    at: datetime | None = None,
    tz: str = "UTC",
    input: JSON = None,  # noqa: A002 (the word of the contract)
    missed: Missed | str = Missed.SKIP,
    overlap: Overlap | str = Overlap.SKIP,
    enabled: bool = True,
    only_public: bool = False,
) -> Schedule:
    """Create or change the schedule of `job`, by exactly one of `cron`, `every` and `at`.

    Declaring a name (the job's own by default) again changes its schedule; the same rule
    keeps its rhythm and its next slot.

    :raises KindUnknown: if there is no such kind.
    :raises InputInvalid: if the kind does not take this input.
    :raises ScheduleInvalid: if the rule, the zone or a policy makes no sense.
    """
    kind = _allow(job, only_public=only_public, pointer="/job")
    value = {} if input is None else input
    kind.validate(value)
    asked = {"job": job, "cron": cron, "every": every, "at": at, "tz": tz, "missed": missed}
    asked |= {"overlap": overlap, "enabled": enabled, "only_public": only_public}
    asked |= {"input": subjects.fingerprint_of(value, of=f"schedule.declare/{name or job}")}
    with recording.recorded(_of_schedule("declare", name or job, asked)):
        [(now,)] = statements.run(statements.NOW)
        rule = Rule(
            cron=" ".join(cron.split()),
            every_s=None if every is None else cadence_s(every),
            at=at,
            tz=tz,
            anchor_at=now,
        )
        rule.check_can_be_declared()
        policies = schedules.policies(missed=missed, overlap=overlap)
        return schedules.declare(
            name or job,
            rule,
            now=now,
            kind=job,
            input=documents.dump(value),
            enabled=enabled,
            principal=str(context.current().principal),
            **policies,
        )


def set_schedule_enabled(name: str, *, enabled: bool) -> Schedule:
    """Switch a schedule on, from its next slot on, or off.

    :raises ScheduleNotFound: if there is none of that name.
    """
    with recording.recorded(_of_schedule("enable" if enabled else "disable", name)):
        found = Schedule.objects.select_for_update().filter(name=name).first()
        if found is None:
            raise ScheduleNotFound(name)
        [(now,)] = statements.run(statements.NOW)
        return schedules.switch(found, enabled=enabled, now=now)


def _action(name: str, work_id: UUID, reason: str) -> Action:
    target = Target(type="job", id=str(work_id))
    return Action(name=name, kind=Kind.EXECUTE, target=target, capability=name, reason=reason)


def _of_schedule(verb: str, name: str, asked: Mapping[str, Any] | None = None) -> Action:
    # What jobs are given may be personal or secret: `asked` has a fingerprint of it.
    return Action(
        name=f"schedule.{verb}",
        kind=Kind.UPDATE,
        target=Target(type="schedule", id=name),
        capability="schedule.manage",
        input=asked or {},
    )


def _allow(name: str, *, only_public: bool, pointer: str = "/name") -> WorkKind:
    kind = registry.get(name, pointer=pointer)
    if only_public and not kind.public:
        # A kind that integrators may not enqueue is not found by them.
        raise KindUnknown(name, pointer=pointer)
    return kind

"""Fires schedules: each slot exactly once, by whichever sweeper comes first.

Note [One slot, one firing]: the schedule's row is locked while its slots are settled, so a
second sweeper passes it by; UNIQUE (schedule, slot_at) stands behind the lock.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from events import context
from events.domain.principal import Principal
from events.ids import new_id
from workflows.work import conf, documents, queue, registry, statements
from workflows.work.domain.life import OPEN
from workflows.work.domain.timing import Fate, Firing, Missed, Overlap, Rule, ScheduleInvalid, plan
from workflows.work.models import Schedule, Slot, StatementNow
from workflows.work.queue import SUBJECT_CHARS_MAX, Item

logger = logging.getLogger(__name__)


def rule_of(schedule: Schedule) -> Rule:
    """Return the rule by which `schedule` fires."""
    return Rule(
        cron=schedule.cron,
        every_s=schedule.every_s,
        at=schedule.at,
        tz=schedule.tz,
        anchor_at=schedule.anchor_at,
    )


def policies(*, missed: str, overlap: str) -> dict[str, str]:
    """Return the policies by the names of their columns.

    :raises ScheduleInvalid: if there is no such policy.
    """
    for pointer, value, known in (("/missed", missed, Missed), ("/overlap", overlap, Overlap)):
        if value not in set(known):
            raise ScheduleInvalid(f"{value!r} is none of {', '.join(known)}.", pointer=pointer)
    return {"missed": str(missed), "overlap": str(overlap)}


def declare(name: str, rule: Rule, *, now: datetime, **properties: object) -> Schedule:
    """Write the schedule `name`. An unchanged rule keeps its rhythm and its next slot."""
    known = Schedule.objects.select_for_update().filter(name=name).first()
    if known is not None and replace(rule_of(known), anchor_at=now) == rule:
        timing = {"anchor_at": known.anchor_at, "next_at": known.next_at}
        if not known.enabled:
            timing["next_at"] = rule_of(known).next_after(now)
    else:
        timing = {"anchor_at": now, "next_at": rule.at or rule.next_after(now)}
    rules = {"cron": rule.cron, "every_s": rule.every_s, "at": rule.at, "tz": rule.tz}
    defaults = {**rules, **timing, **properties, "updated_at": now}
    schedule, _ = Schedule.objects.update_or_create(name=name, defaults=defaults)
    return schedule


def switch(schedule: Schedule, *, enabled: bool, now: datetime) -> Schedule:
    """Switch `schedule` on or off. What was due while it was off is not made up for."""
    if enabled and not schedule.enabled:
        schedule.next_at = rule_of(schedule).next_after(now)
    schedule.enabled = enabled
    schedule.updated_at = now
    schedule.save(update_fields=["enabled", "next_at", "updated_at"])
    return schedule


def fire_due(*, limit: int) -> int:
    """Settle the slots that are due, and return how many were fired."""
    kinds = registry.names()
    fired = 0
    for name in _names(statements.SCHEDULES_DUE, kinds, limit):
        fired += _with_schedule(name, _settle)
    for name in _names(statements.SCHEDULES_WITH_QUEUED_SLOTS, kinds, limit):
        fired += _with_schedule(name, _fire_queued)
    return fired


def _names(sql: str, kinds: list[str], limit: int) -> list[str]:
    return [name for (name,) in statements.run(sql, {"kinds": kinds, "limit": limit})]


def _with_schedule(name: str, act: Callable[[Schedule, datetime], int]) -> int:
    try:
        return _with_locked(name, act)
    except DatabaseError:
        raise
    except Exception:
        # An edge: one that cannot be read (its zone is gone) must not keep others from firing,
        # nor the sweeper from lost work, which it looks for after this.
        logger.exception("A schedule could not be fired.", extra={"schedule": name})
        return 0


def _with_locked(name: str, act: Callable[[Schedule, datetime], int]) -> int:
    with transaction.atomic():
        rows = Schedule.objects.select_for_update(skip_locked=True).filter(name=name, enabled=True)
        schedule = rows.annotate(now=StatementNow()).first()
        if schedule is None:
            return 0  # Another sweeper is at it, or somebody switched it off.
        with context.acting(Principal.parse(schedule.principal)):
            return act(schedule, schedule.now)


def _settle(schedule: Schedule, now: datetime) -> int:
    if schedule.next_at is None or schedule.next_at > now:
        return 0
    planned = plan(
        rule_of(schedule),
        first=schedule.next_at,
        now=now,
        missed=Missed(schedule.missed),
        missed_after_s=conf.current().missed_after_s,
    )
    Schedule.objects.filter(name=schedule.name).update(next_at=planned.next_at)
    return sum(_settle_one(schedule, firing) for firing in planned.firings)


def _settle_one(schedule: Schedule, firing: Firing) -> int:
    if not firing.is_fired:
        _record(schedule, firing, Fate.MISSED)
        return 0
    # Slots fire in their order: what is queued, by a policy of before too, goes first.
    if _is_busy(schedule) or _queued(schedule).exists():
        is_queued = schedule.overlap == Overlap.QUEUE
        _record(schedule, firing, Fate.QUEUED if is_queued else Fate.OVERLAPPED)
        return 0
    work_id = new_id()
    if not _record(schedule, firing, Fate.FIRED, work_id):
        return 0  # Fired before; the lock was lost with a connection.
    _enqueue(schedule, firing.slot_at, work_id)
    return 1


def _fire_queued(schedule: Schedule, _now: datetime) -> int:
    slot = _queued(schedule).order_by("slot_at").first()
    if slot is None or _is_busy(schedule):
        return 0
    work_id = new_id()
    Slot.objects.filter(pk=slot.pk).update(fate=Fate.FIRED, work=work_id)
    _enqueue(schedule, slot.slot_at, work_id)
    return 1


def _queued(schedule: Schedule) -> "QuerySet[Slot]":
    # Index work_slots_in_the_queue.
    return schedule.slots.filter(fate=Fate.QUEUED)


def _is_busy(schedule: Schedule) -> bool:
    """Whether the work of the slot fired last is not finished yet."""
    fired = schedule.slots.filter(fate=Fate.FIRED).select_related("work")
    last = fired.order_by("-slot_at").first()
    return last is not None and last.work is not None and last.work.status in OPEN


def _record(schedule: Schedule, firing: Firing, fate: Fate, work_id: UUID | None = None) -> bool:
    params = {
        "schedule": schedule.name,
        "slot_at": firing.slot_at,
        "fate": fate.value,
        "stands_for": firing.stands_for,
        "work_id": work_id,
    }
    return bool(statements.run(statements.RECORD_SLOT, params))


def _enqueue(schedule: Schedule, slot_at: datetime, work_id: UUID) -> None:
    item = Item(
        id=work_id,
        input=documents.load(schedule.input, None),
        subject=f"schedule/{schedule.name}"[:SUBJECT_CHARS_MAX],
    )
    slot = slot_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    with context.caused_by(f"schedule:{schedule.name}:{slot}"):
        queue.insert(registry.get(schedule.kind), [item])

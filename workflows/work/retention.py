"""Forgets housekeeping that went well, long after it did (ADR 0190).

Schedules fire thousands of times a day, mostly to find nothing to do. What is forgotten was
fired by a schedule, is of a kind that is declared as housekeeping, is done, and left nothing on
record: no event, no entry of the ledger, no intervention of a person. The slots of such a kind
that nobody fired go as well. All else is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from events import selectors as log
from ledger import timelines
from workflows.work import conf, registry, statements

SLOTS_PER_PAGE = 500
OVERDUE_DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What became of one page of slots."""

    forgotten: int
    """How many pieces of work, and slots that never had one."""
    next_after: int | None
    """The last slot that was looked at; None if no older ones follow."""


@dataclass(frozen=True, slots=True)
class _Done:
    work_id: UUID
    correlation_id: str

    @property
    def stream(self) -> tuple[str, str]:
        """Where interventions in it are recorded."""
        return ("job", str(self.work_id))


def forget_old() -> int:
    """Forget all that is old enough, page by page; return how much."""
    page = forget_page()
    forgotten = page.forgotten
    while page.next_after is not None:
        page = forget_page(after=page.next_after)
        forgotten += page.forgotten
    return forgotten


def forget_page(*, after: int = 0) -> Page:
    """Forget what is old enough among the next slots after the one with the id `after`."""
    with transaction.atomic(durable=True):
        asked = {**_asked(conf.current().housekeeping_days), "after": after}
        slots = statements.run(statements.SLOTS_OF_HOUSEKEEPING, {**asked, "limit": SLOTS_PER_PAGE})
        until = slots[-1][0] if slots else after
        idle = statements.run(statements.FORGET_IDLE_SLOTS, {**asked, "until": until})
        found = _without_a_record([_Done(*facts) for _, _, *facts in slots if all(facts)])
        ids = [each.work_id for each in found]
        [(forgotten,)] = statements.run(statements.FORGET, {"ids": ids})
    # Slots come nearly in the order of time, so a page without an old one is the last.
    goes_on = len(slots) == SLOTS_PER_PAGE and any(is_old for _, is_old, *_ in slots)
    return Page(forgotten=forgotten + len(idle), next_after=until if goes_on else None)


def overdue() -> int:
    """Return how much should have been forgotten two days ago; of one day, and not all of it."""
    days = conf.current().housekeeping_days + OVERDUE_DAYS
    rows = statements.run(
        statements.HOUSEKEEPING_OF_A_DAY, {**_asked(days), "limit": SLOTS_PER_PAGE}
    )
    return len(_without_a_record([_Done(*facts) for facts in rows]))


def _asked(days: float) -> dict[str, object]:
    return {"kinds": registry.housekeeping(), "days": days}


def _without_a_record(done: Sequence[_Done]) -> list[_Done]:
    """Return those that left no event and no entry, and that nobody has intervened in."""
    stories = [each.correlation_id for each in done]
    recorded = log.stories_with_events(stories) | timelines.stories_with_entries(stories)
    untouched = set(log.without_events([each.stream for each in done]))
    return [
        each for each in done if each.correlation_id not in recorded and each.stream in untouched
    ]

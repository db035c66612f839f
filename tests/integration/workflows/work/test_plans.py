"""What a worker says of its own work costs the same, however much others hold."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection, transaction

from events import wire
from tests.integration.workflows.work.conftest import Enqueue, row, take
from tests.support.planner import PLANNED_EACH_TIME, forget_statistics, plans_made
from workflows.work import leases, queue, statements
from workflows.work.domain.claim import Claim
from workflows.work.queue import Item

pytestmark = pytest.mark.django_db

KINDS = ["lab.echo"]
FRONT = 44
"""How many a claim of one chooses from: past those that others have locked."""
MANY = 2_000
"""So many that it costs to look each up, and the planner counts how many there are."""

_END: Mapping[str, Any] = {
    "ids": [uuid4()],
    "fences": [1],
    "statuses": ["retry"],
    "outcomes": ["failed"],
    "failed": [True],
    "taken_away": [False],
    "delays_s": [1.0],
    "error_classes": [""],
    "errors": [""],
    "stacks": [""],
}


def test_what_ends_is_found_by_its_id_and_not_among_all_that_is_leased() -> None:
    forget_statistics()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statements.END}", _END)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "work_pkey" in plan
    assert "work_leases" not in plan


def claim(enqueue: Enqueue) -> Callable[[], object]:
    ref = enqueue()
    return lambda: leases.claim([ref.id], worker="w", kinds=KINDS)


def claim_next(enqueue: Enqueue) -> Callable[[], object]:
    enqueue()
    return lambda: leases.claim_next(worker="w", kinds=KINDS)


def claim_several(enqueue: Enqueue) -> Callable[[], object]:
    enqueue()
    return lambda: leases.claim_next(worker="w", kinds=KINDS, limit=2)


def heartbeat(enqueue: Enqueue) -> Callable[[], object]:
    claim = take(enqueue())
    return lambda: leases.heartbeat([claim])


def complete(enqueue: Enqueue) -> Callable[[], object]:
    claim = take(enqueue())
    return lambda: leases.complete_many([(claim, None)])


ACTS = [claim, claim_next, claim_several, heartbeat, complete]


@pytest.mark.parametrize("is_analysed", [False, True], ids=["never counted", "counted when small"])
@pytest.mark.parametrize("act", ACTS)
def test_reads_no_more_for_all_that_came_since_it_was_planned(
    act: Callable[[Enqueue], Callable[[], object]], enqueue: Enqueue, *, is_analysed: bool
) -> None:
    forget_statistics()
    if is_analysed:
        claim(enqueue)
        wire.run("ANALYZE work")
    for _ in range(PLANNED_EACH_TIME + 3):
        act(enqueue)()
    with transaction.atomic():
        queue.enqueue_many("lab.echo", [Item(input={"n": 1}) for _ in range(MANY)])
    measured = act(enqueue)
    before = rows_of_work_read()

    measured()

    assert rows_of_work_read() - before < MANY / 10


def test_a_claim_from_a_long_queue_looks_up_what_it_takes(enqueue: Enqueue) -> None:
    forget_statistics()
    with transaction.atomic():
        queue.enqueue_many("lab.echo", [Item(input={"n": 1}) for _ in range(MANY)])
    for _ in range(PLANNED_EACH_TIME + 3):
        leases.claim_next(worker="w", kinds=KINDS)
    before = rows_of_work_read()

    assert len(leases.claim_next(worker="w", kinds=KINDS)) == 1

    # The front is read once, to be ordered, and then only what is taken. (It may come with some
    # that are claimed already.)
    assert rows_of_work_read() - before < 2 * FRONT


def test_completing_for_several_reads_no_more_for_all_that_came_since_it_was_planned(
    enqueue: Enqueue,
) -> None:
    forget_statistics()
    complete_together(take(enqueue()), take(enqueue()))
    with transaction.atomic():
        queue.enqueue_many("lab.echo", [Item(input={"n": 1}) for _ in range(MANY)])
    claims = [take(enqueue()), take(enqueue())]
    before = rows_of_work_read()

    complete_together(*claims)

    assert [row(claim).status for claim in claims] == ["done", "done"]
    assert rows_of_work_read() - before < MANY / 10


def complete_together(*claims: Claim) -> None:
    of = orjson.dumps([{"claim": one.id, "fence": one.fence} for one in claims]).decode()
    wire.run("SELECT * FROM work_hand_over_many(0, %s::json, '[]')", [of])


def rows_of_work_read() -> int:
    [(count,)] = wire.run(
        "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'work'"
    ).fetchall()
    return int(count)


@pytest.mark.parametrize("act", ACTS)
def test_is_planned_once_for_a_connection(
    act: Callable[[Enqueue], Callable[[], object]], enqueue: Enqueue
) -> None:
    with transaction.atomic():
        queue.enqueue_many("lab.echo", [Item(input={"n": 1}) for _ in range(MANY)])
    wire.run("ANALYZE work")
    for _ in range(PLANNED_EACH_TIME + 3):
        act(enqueue)()
    once_more = act(enqueue)

    before = rows_of_work_read()

    with plans_made() as plans:
        once_more()

    assert plans == []
    assert rows_of_work_read() - before < MANY / 10

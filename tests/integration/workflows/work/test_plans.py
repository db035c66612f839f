"""What a worker says of its own work costs the same, however much others hold."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection, transaction

from events import wire
from tests.integration.workflows.work.conftest import Enqueue, row, take
from tests.support.planner import forget_statistics
from workflows.work import leases, queue, statements
from workflows.work.domain.claim import Claim
from workflows.work.queue import Item

pytestmark = pytest.mark.django_db

PLANNED_EACH_TIME = 5
"""What PostgreSQL tries before it asks itself whether one plan would do."""
MANY = 2_000
"""So many that it costs to look each up, and the planner counts how many there are."""

_MINE: Mapping[str, Any] = {"ids": [uuid4()], "fences": [1]}
_END = {
    **_MINE,
    "statuses": ["retry"],
    "outcomes": ["failed"],
    "failed": [True],
    "taken_away": [False],
    "delays_s": [1.0],
    "error_classes": [""],
    "errors": [""],
    "stacks": [""],
}


@pytest.mark.parametrize(
    ("statement", "params"),
    [
        (statements.COMPLETE, {**_MINE, "results": [None], "result_hashes": [None]}),
        (statements.HEARTBEAT, {**_MINE, "lease_s": 15.0}),
        (statements.END, _END),
    ],
    ids=["complete", "heartbeat", "end"],
)
def test_is_found_by_its_id_and_not_among_all_that_is_leased(
    statement: str, params: Mapping[str, Any]
) -> None:
    forget_statistics()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", params)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "work_pkey" in plan
    assert "work_leases" not in plan


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


@pytest.mark.parametrize("about", ["take", "next", "complete"])
def test_is_planned_once_for_a_connection(about: str, enqueue: Enqueue) -> None:
    with transaction.atomic():
        queue.enqueue_many("lab.echo", [Item(input={"n": 1}) for _ in range(MANY)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE work")
    for _ in range(PLANNED_EACH_TIME + 3):
        ref = enqueue()
        if about == "next":
            [claim] = leases.claim_next(worker="w", kinds=["lab.echo"])
        else:
            claim = take(ref)
        leases.complete_many([(claim, None)])

    statement = {
        "take": statements.CLAIM,
        "next": statements.CLAIM_NEXT,
        "complete": statements.COMPLETE,
    }[about]
    known = wire.prepared_statements(wire.connection().connection)
    name, _ = known.prepared[statement]
    [(custom, generic)] = wire.run(
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE name = %s",
        [name.decode()],
    ).fetchall()
    assert custom <= PLANNED_EACH_TIME
    assert generic > 0

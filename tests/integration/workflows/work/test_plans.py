"""What a worker says of its own work costs the same, however much others hold."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from tests.support.planner import forget_statistics
from workflows.work import statements

pytestmark = pytest.mark.django_db

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

"""Light work that has lost a worker: one of its batch may kill whoever takes it."""

from typing import Any

import pytest

from tests.integration.workflows.work.conftest import Enqueue, let_time_pass, row
from workflows.work import leases, runner, sweeper
from workflows.work.domain.claim import WorkRef

pytestmark = pytest.mark.django_db
LIGHT = ["lab.light"]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What each bell of the sweeper names. A double at the port."""
    bells: list[list[Any]] = []

    def ring(_queue: str, ids: list[Any], **_options: Any) -> bool:
        bells.append(ids)
        return True

    monkeypatch.setattr("workflows.work.doorbell.ring", ring)
    return bells


def lost_batch(enqueue: Enqueue, count: int) -> list[WorkRef]:
    """Return light work that was lost together with the worker that had claimed it."""
    refs = [enqueue("lab.light", {"n": n}) for n in range(count)]
    assert len(leases.claim_next(worker="killed", kinds=LIGHT, limit=100)) == count
    for ref in refs:
        let_time_pass(ref, seconds=60)
    return refs


def test_is_rung_for_one_by_one(enqueue: Enqueue, rung: list[list[Any]]) -> None:
    refs = lost_batch(enqueue, 3)
    others = [enqueue("lab.light", {}) for _ in range(2)]
    for other in others:
        let_time_pass(other, seconds=10)

    assert sweeper.sweep(worker="sweeper@test").rung == 5

    assert sorted(map(sorted, rung)) == sorted(
        [*([ref.id] for ref in refs), sorted(other.id for other in others)]
    )


def test_is_in_no_batch_again(enqueue: Enqueue) -> None:
    refs = lost_batch(enqueue, 3)
    leases.expire(limit=10)
    other = enqueue("lab.light", {})

    assert runner.work_off(worker="w", kinds=LIGHT) == 1
    assert row(other).status == "done"
    assert leases.claim_next(worker="w", kinds=LIGHT, limit=100) == []

    for ref in refs:
        assert runner.take([ref.id], worker="w") == 1
    assert {row(ref).status for ref in refs} == {"done"}


def test_can_be_claimed_where_one_is_taken_at_a_time(enqueue: Enqueue) -> None:
    lost_batch(enqueue, 2)
    leases.expire(limit=10)

    assert len(leases.claim_next(worker="w", kinds=LIGHT)) == 1

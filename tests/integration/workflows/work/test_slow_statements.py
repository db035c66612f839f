"""An attempt whose time runs out while it waits for PostgreSQL."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection, transaction

from events import wire
from tests.integration.workflows.work.conftest import Enqueue, journal, row
from tests.live import eventually
from workflows.work import heartbeat, registry, runner
from workflows.work.domain.claim import Claim
from workflows.work.registry import WorkKind


def _by_the_orm(_claim: Claim) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(90)")


def _by_wire(_claim: Claim) -> None:
    wire.run("SELECT pg_sleep(90)")


def _by_a_constant_statement(_claim: Claim) -> None:
    wire.fetch("SELECT pg_sleep(%(seconds)s::float)", {"seconds": 90})


def _in_a_transaction(claim: Claim) -> None:
    with transaction.atomic():
        _by_the_orm(claim)


@pytest.fixture(params=[_by_the_orm, _by_wire, _by_a_constant_statement, _in_a_transaction])
def _slow(request: pytest.FixtureRequest) -> Iterator[None]:
    handler: Callable[[Claim], None] = request.param
    registry.register(WorkKind(name="lab.slow", handler=handler, timeout_s=0.2))
    yield
    registry.forget("lab.slow")


def is_anybody_asleep() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'active' AND wait_event = 'PgSleep'"
        )
        [count] = cursor.fetchone()
    return bool(count)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_slow")
def test_is_on_record_and_the_next_work_is_done(
    enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "GRACE_S", 60)
    slow, next_one = enqueue("lab.slow", {}), enqueue()

    runner.take([slow.id], worker="w")
    runner.take([next_one.id], worker="w")

    assert journal(slow) == [(1, 1, "timed_out")]
    # Or it would keep its locks, and whoever builds an index waiting, for as long as it takes.
    eventually(lambda: not is_anybody_asleep())
    assert row(next_one).status == "done"

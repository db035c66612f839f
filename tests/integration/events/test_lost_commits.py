"""A database that goes back under a running process: what it remembers is of another past."""

import pytest
from django.db import transaction

from events import wire
from events.domain.streams import key_of
from events.sourcing import states
from events.sourcing.executor import execute
from tests.integration.events.conftest import STREAM, AtOnce, somebody_else_adds
from tests.tally import TALLY, Add

pytestmark = pytest.mark.django_db(transaction=True)


def lose_after(sequence: int) -> None:
    """Take the end of the stream away, as a failover to a replica does that was behind."""
    with transaction.atomic():
        wire.run("SET LOCAL session_replication_role = replica")
        wire.run(
            "DELETE FROM events_event WHERE stream = %s AND sequence > %s",
            [key_of(STREAM), sequence],
        )


OTHER = ("tally", "t2")


def known() -> list[bool]:
    return [states.cached(TALLY, one) is not None for one in (STREAM, OTHER)]


def test_lost_commits_are_found_out_by_an_append_and_all_caches_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    execute(TALLY, OTHER, Add(number=1))
    for number in (1, 2, 4):
        execute(TALLY, STREAM, Add(number=number))
    lose_after(1)

    outcome = execute(TALLY, STREAM, Add(number=8))

    assert (outcome.sequence, outcome.state.total) == (2, 9)
    assert known() == [True, False]
    [record] = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "has lost commits" in record.getMessage()
    assert record.stream == "tally/t1/"  # type: ignore[attr-defined]


def test_lost_commits_are_found_out_by_a_look_although_others_made_the_stream_as_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    execute(TALLY, OTHER, Add(number=1))
    for number in (1, 2):
        execute(TALLY, STREAM, Add(number=number))
    lose_after(1)
    somebody_else_adds(16)

    assert states.fresh(TALLY, STREAM).state.total == 17

    assert known() == [True, False]
    assert [one.levelname for one in caplog.records] == ["ERROR"]


def test_lost_commits_are_not_what_a_transaction_does_not_see_yet(
    caplog: pytest.LogCaptureFixture, at_once: AtOnce
) -> None:
    execute(TALLY, STREAM, Add(number=1))
    with transaction.atomic():
        wire.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert states.fresh(TALLY, STREAM).state.total == 1
        at_once(1, lambda _: execute(TALLY, STREAM, Add(number=2)).state.total)

        assert states.fresh(TALLY, STREAM).state.total == 1

    assert states.fresh(TALLY, STREAM).state.total == 3
    assert caplog.records == []

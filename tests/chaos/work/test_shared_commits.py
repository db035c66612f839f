"""kill -9 of a process that writes for several flows in one statement (ADR 0027)."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from events import selectors
from tests.chaos.work.conftest import START_S, Start, eventually, healthy
from tests.chaos.work.test_workers_that_die import sweeping_and_doing
from tests.support.writing_together import NAMES, SHARED, know_the_steps, start_flows
from workflows.flows.models import FlowSummary
from workflows.flows.steps import callables

pytestmark = pytest.mark.chaos

FLOWS = [f"trip{number}" for number in range(4)]
WAITS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE wait_event_type = 'Lock' AND query LIKE %s AND datname = current_database()"
)

STORY = (
    "flow_started", "step_started", "work_started",
    "work_succeeded", "attribute_set", "step_completed", "step_started", "work_started",
    "work_succeeded", "attribute_set", "step_completed", "flow_completed", "flow_deactivated",
)  # fmt: skip
STARTED, WRITTEN = 3, 8
"""How long the story is before and after the commit that the flows share."""

Link = psycopg.Connection[Any]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    lines = tmp_path / "first.log"
    know_the_steps(lines)
    yield lines
    for name in NAMES:
        callables._registered.pop(name)


@pytest.fixture
def elsewhere() -> Iterator[Link]:
    settings = connection.get_connection_params()
    wanted = {name: settings[name] for name in ("host", "dbname", "user") if name in settings}
    with psycopg.connect(**wanted) as link:
        yield link


def stories() -> dict[str, list[str]]:
    return {
        flow_id: [event.name for event in selectors.stream_events(("flow", flow_id))]
        for flow_id in FLOWS
    }


def calls(log: Path) -> Counter[str]:
    return Counter(log.read_text().split())


def all_are_over() -> bool:
    return set(FlowSummary.objects.values_list("status", flat=True)) == {"completed"}


def check_nothing_is_lost_or_doubled() -> None:
    with sweeping_and_doing():
        eventually(all_are_over)
    assert set(map(tuple, stories().values())) == {STORY}
    assert healthy()


def waiting_backend() -> int | None:
    """Return the server process whose shared statement waits for a row, if one does."""
    with connection.cursor() as cursor:
        cursor.execute(WAITS, [SHARED])
        found = cursor.fetchone()
    return found[0] if found else None


def killed_in_the_statement(start: Start, log: Path, link: Link) -> int:
    """Hold up the statement, kill who sent it, and return the server process at work on it."""
    # Work is claimed without a look at this table, and is not completed without one.
    link.execute("LOCK TABLE work_attempt IN SHARE MODE")
    process = start("tests.chaos.work.together", str(log), *FLOWS)
    eventually(waiting_backend)
    backend = waiting_backend()
    assert backend is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=START_S)
    return backend


def test_killed_when_the_commit_is_through_and_nobody_has_heard(start: Start, log: Path) -> None:
    start_flows(FLOWS)
    process = start("tests.chaos.work.together", str(log), *FLOWS, FAILPOINTS="group.written:kill")
    assert process.wait(timeout=START_S) == -signal.SIGKILL
    assert {len(story) for story in stories().values()} == {WRITTEN}

    check_nothing_is_lost_or_doubled()

    assert calls(log) == dict.fromkeys(FLOWS, 1)


def test_killed_within_the_statement_that_the_server_still_finishes(
    start: Start, log: Path, elsewhere: Link
) -> None:
    start_flows(FLOWS)
    killed_in_the_statement(start, log, elsewhere)
    assert {len(story) for story in stories().values()} == {STARTED}
    elsewhere.rollback()
    eventually(lambda: {len(story) for story in stories().values()} == {WRITTEN})

    check_nothing_is_lost_or_doubled()

    assert calls(log) == dict.fromkeys(FLOWS, 1)


def test_killed_together_with_the_statement(start: Start, log: Path, elsewhere: Link) -> None:
    start_flows(FLOWS)
    backend = killed_in_the_statement(start, log, elsewhere)
    elsewhere.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
    elsewhere.rollback()
    assert {len(story) for story in stories().values()} == {STARTED}

    check_nothing_is_lost_or_doubled()

    # The results were lost with their commit: each is asked for again, and recorded once.
    assert calls(log) == dict.fromkeys(FLOWS, 2)

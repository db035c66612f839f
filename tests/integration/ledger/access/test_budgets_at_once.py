"""Twenty sessions of agents in two processes, all at once: never one more than was delegated."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from config.testing import fork_server
from ledger.invariants.delegations import agents_keep_within_their_delegations
from ledger.models import Delegation, Entry
from tests.chaos.load import eventually
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.agents_at_work import (
    CENTS,
    GATE,
    Sessions,
    waiting_at_the_gate,
)
from tests.integration.ledger.conftest import grant
from tests.live import PATIENCE_S, environment_of_the_tests

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES, THREADS = 2, 10
MODULE = "tests.integration.ledger.agents_at_work"
LIMITS = [
    ({"actions_max": 7}, 7, "budget_exceeded"),
    ({"cents_max": 100, "currency": "EUR"}, 3, "budget_exceeded"),
    ({"per_minute_max": 5}, 5, "delegation_rate_exceeded"),
]


@pytest.fixture
def ada(transactional_db: None) -> User:
    return grant(User.objects.create_user("ada"), "event.read")


def answers_of(secrets: list[str], folder: Path) -> list[str]:
    """Have all sessions call at once, and return what they were answered."""
    files = [folder / f"{number}.json" for number in range(PROCESSES)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [GATE])
        running = []
        for number, answers in enumerate(files):
            asked = Sessions(secrets, THREADS, number * THREADS, str(answers))
            wanted = json.dumps({name: getattr(asked, name) for name in asked.__slots__})
            environment = environment_of_the_tests()
            running.append(fork_server.start(MODULE, wanted, environment=environment))
        eventually(lambda: waiting_at_the_gate() == PROCESSES * THREADS, seconds=PATIENCE_S)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [GATE])
    assert [process.wait(PATIENCE_S) for process in running] == [0] * PROCESSES
    return [answer for each in files for answer in json.loads(each.read_text())]


def spent() -> int:
    return Entry.objects.filter(action_name="thing.do", status="succeeded").count()


@pytest.mark.parametrize(("limit", "done", "because"), LIMITS)
class TestABudget:
    def test_of_one_agent_is_kept_to_the_last_action(
        self, ada: User, tmp_path: Path, limit: Any, done: int, because: str
    ) -> None:
        link = delegated(an_agent(ada), "event.read", **limit)

        answers = answers_of([key_of(link)], tmp_path)

        self.is_kept(answers, link, done, because)

    def test_is_kept_by_all_whom_it_was_passed_on_to(
        self, ada: User, tmp_path: Path, limit: Any, done: int, because: str
    ) -> None:
        top = delegated(an_agent(ada, "top"), "event.read", **limit)
        middle = delegated(an_agent(ada, "middle"), "event.read", parent_id=top.pk)
        lowest = [
            delegated(an_agent(ada, f"lowest {number}"), "event.read", parent_id=middle.pk)
            for number in range(3)
        ]

        answers = answers_of([key_of(each) for each in (top, middle, *lowest)], tmp_path)

        self.is_kept(answers, top, done, because)
        assert sum(each.actions_used for each in Delegation.objects.filter(depth=3)) <= done

    def is_kept(self, answers: list[str], link: Delegation, done: int, because: str) -> None:
        assert sorted(answers) == sorted(["done"] * done + [because] * (PROCESSES * THREADS - done))
        link.refresh_from_db()
        cents = 0 if link.cents_max is None else done * CENTS
        assert (link.actions_used, link.cents_used) == (done, cents)
        assert spent() == done
        assert agents_keep_within_their_delegations() == []

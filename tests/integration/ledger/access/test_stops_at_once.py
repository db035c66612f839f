"""An agent is stopped while it commits: the stop waits for what was paid for, and nothing comes
after it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from events import context
from events.domain.principal import SYSTEM
from ledger import idempotency, recording
from ledger.domain.action import Action, Kind, Target
from ledger.domain.delegation import DelegationEnded
from ledger.invariants.delegations import agents_keep_within_their_delegations
from ledger.models import Delegation, Entry
from ledger.services import agents, delegations
from tests.chaos.load import eventually
from tests.integration.ledger.agents import act, acting, an_agent, delegated
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

Stop = Callable[[Delegation], Any]
WAYS: dict[str, Stop] = {
    "the switch": lambda _: agents.stop_all_agents(reason="a test"),
    "the agent": lambda link: agents.stop_agent(agent_id=link.agent_id, reason="a test"),
    "the delegation": lambda link: delegations.revoke_delegation(
        delegation_id=link.pk, reason="a test"
    ),
    "the one above": lambda link: delegations.revoke_delegation(
        delegation_id=link.parent_id or link.pk, reason="a test"
    ),
}


@pytest.fixture
def link(transactional_db: None) -> Delegation:
    """What an agent acts under that another agent passed on to it."""
    ada = grant(User.objects.create_user("ada"), "event.read")
    above = delegated(an_agent(ada, "top"), "event.read")
    return delegated(an_agent(ada, "lowest"), "event.read", parent_id=above.pk)


def waiting() -> bool:
    """Say whether a session waits for a lock that another holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


def stopping(stop: Stop, link: Delegation) -> None:
    try:
        with context.acting(SYSTEM):
            stop(link)
    finally:
        connection.close()


def working(link: Delegation, is_charged: Event, may_commit: Event) -> None:
    """Do something as the agent, and commit when told."""
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="event.read",
    )
    try:
        with acting(link), transaction.atomic():
            with recording.recorded_in_transaction(action):
                pass
            is_charged.set()
            assert may_commit.wait(60)
    finally:
        connection.close()


def trying(link: Delegation) -> str:
    """Do something as the agent; return the code of the refusal, or "done"."""
    try:
        with acting(link):
            act()
    except DelegationEnded as why:
        return why.code
    finally:
        connection.close()
    return "done"


@pytest.mark.parametrize("stop", WAYS.values(), ids=WAYS.keys())
class TestAStop:
    def test_waits_for_what_was_charged_and_lets_nothing_follow(
        self, link: Delegation, stop: Stop
    ) -> None:
        is_charged, may_commit = Event(), Event()

        with ThreadPoolExecutor(2) as pool:
            worked = pool.submit(working, link, is_charged, may_commit)
            assert is_charged.wait(60)
            ended = pool.submit(stopping, stop, link)
            try:
                eventually(waiting)
                assert not ended.done()
            finally:
                may_commit.set()
            worked.result()
            ended.result()

        assert Entry.objects.filter(action_name="thing.do", status="succeeded").count() == 1
        with acting(link), pytest.raises(DelegationEnded):
            act()
        assert agents_keep_within_their_delegations() == []

    def test_that_is_about_to_commit_is_waited_for_and_ends_it(
        self, link: Delegation, stop: Stop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_stopping, may_commit = Event(), Event()

        def pause(_: str) -> None:
            if context.current().principal == SYSTEM:
                is_stopping.set()
                assert may_commit.wait(60)

        monkeypatch.setattr(idempotency, "failpoint", pause)

        with ThreadPoolExecutor(2) as pool:
            ended = pool.submit(stopping, stop, link)
            assert is_stopping.wait(60)
            worked = pool.submit(trying, link)
            try:
                eventually(waiting)
                assert not worked.done()
            finally:
                may_commit.set()
            ended.result()
            assert worked.result() == "delegation_ended"

        assert not Entry.objects.filter(action_name="thing.do", status="succeeded").exists()

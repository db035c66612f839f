"""The doctor sees when a row that gives rights says another thing than was told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from events.models import StoredEvent
from ledger.invariants.rights import approvals_match_their_entries, rights_match_their_events
from ledger.models import AgentKey, ApprovalVote
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant, issue

pytestmark = pytest.mark.django_db


def seen(check: Callable[[], list[str]], table: str, changes: dict[str, str]) -> dict[str, str]:
    """Return what the check names, of each change, where that is not the changed column."""
    found = {}
    for column, value in changes.items():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute(f"UPDATE {table} SET {column} = {value}")
                assert cursor.rowcount
            violations = check()
            transaction.set_rollback(True)
        if not any(f": its {column} is not what was told" in each for each in violations):
            found[column] = f"nothing in {violations}"
    return found


@pytest.fixture
def _asked_and_decided(alice: User, bob: User) -> None:
    STATE.clear()
    bob = grant(bob, "approval.decide")
    with acting(User.objects.get(pk=alice.pk)):
        put_into_force(quorum=2)
        approval = asked()
    say(approval, bob)


@pytest.mark.usefixtures("_asked_and_decided")
class TestAnApproval:
    def test_is_what_its_entry_and_event_say(self) -> None:
        assert approvals_match_their_entries() == []
        changes = {
            "requested_entry_id": "gen_random_uuid()",
            "action_name": "'thing.undo'",
            "action_version": "2",
            "target_type": "'other'",
            "target_id": "'t2'",
            "route_or_tool_name": "'POST /other'",
            "capability_id": "'api_key.read'",
            "capability_version": "9",
            "organization_id": "'other'",
            "correlation_id": "'other'",
            "risk": "'low'",
            "fingerprint": "repeat('0', 64)",
            "requested_by": "'user:999999999'",
            "chain": "ARRAY['user:9']",
            "humans": "'{}'",
            "quorum": "1",
            "execute": "'on_approval'",
        }

        assert seen(approvals_match_their_entries, "ledger_approval", changes) == {}

    def test_was_asked_for_under_its_policy(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE ledger_approval SET policy_version = 9")

        [found] = approvals_match_their_entries()
        assert found.endswith(": its policy is not what was told")

    def test_has_the_voices_that_were_given(self) -> None:
        assert ApprovalVote.objects.count() == 1
        changes = {
            "approval_id": "gen_random_uuid()",
            "principal": "'user:999999999'",
            "human": "'999999999'",
            "decision": "'deny'",
            "as_delegate": "true",
        }

        assert seen(approvals_match_their_entries, "ledger_approvalvote", changes) == {}

    def test_has_the_vote_of_whom_a_key_is(self, bob: User) -> None:
        secret, _ = issue(bob, ["approval.decide"])
        prefix = secret.split("_")[1]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                "UPDATE ledger_entry SET principal_type = 'api_key', principal_id = %s "
                "WHERE id = (SELECT entry_id FROM ledger_approvalvote)",
                [prefix],
            )
            cursor.execute("UPDATE ledger_approvalvote SET principal = 'api_key:' || %s", [prefix])
        assert approvals_match_their_entries() == []

        human = {"human": "'999999999'"}

        assert seen(approvals_match_their_entries, "ledger_approvalvote", human) == {}


class TestAKey:
    def test_is_what_was_told_when_it_was_issued(self, alice: User, bob: User) -> None:
        issue(alice, ["event.read"])
        assert rights_match_their_events() == []
        changes = {
            "prefix": "'aaaaaaaaaaaa'",
            "name": "'another'",
            "scopes": "'{*}'",
            "expires_at": "expires_at + interval '1 second'",
            "owner_id": str(bob.pk),
            "digest": "repeat('0', 64)",
        }

        assert seen(rights_match_their_events, "ledger_apikey", changes) == {}


class TestADelegation:
    def test_is_what_was_told_when_it_was_made(self, alice: User, bob: User) -> None:
        alice.is_superuser = True
        alice.save()
        agent = an_agent(alice)
        limits: dict[str, Any] = {
            "resources": {"booking": ("b2", "b1")},
            "actions_max": 5,
            "cents_max": 100,
            "currency": "EUR",
            "per_minute_max": 3,
            "hours": (8, 18),
        }
        key_of(delegated(agent, "event.read", "api_key.read", **limits))
        assert AgentKey.objects.count() == 1
        assert rights_match_their_events() == []
        changes = {
            "agent_id": "gen_random_uuid()",
            "root_id": str(bob.pk),
            "scopes": "'{*}'",
            "parent_id": "gen_random_uuid(), depth = 2",
            "resources": "'{}'",
            "actions_max": "6",
            "cents_max": "101",
            "currency": "'USD'",
            "per_minute_max": "NULL",
            "starts_at": "starts_at - interval '1 second'",
            "expires_at": "expires_at + interval '1 second'",
            "hour_from": "0",
            "hour_until": "24",
        }

        assert seen(rights_match_their_events, "ledger_delegation", changes) == {}
        keys = {
            "delegation_id": "gen_random_uuid()",
            "prefix": "'aaaaaaaaaaaa'",
            "expires_at": "expires_at - interval '1 second'",
            "digest": "repeat('0', 64)",
        }
        assert seen(rights_match_their_events, "ledger_agentkey", keys) == {}

    def test_of_a_long_filter_is_too(self, alice: User) -> None:
        many = {"booking": tuple(f"{number:036}" for number in range(2000))}
        long = delegated(an_agent(alice), "event.read", resources=many)
        assert StoredEvent.objects.filter(name="delegation.created", data=None).exists()
        assert rights_match_their_events() == []

        found = seen(rights_match_their_events, "ledger_delegation", {"resources": "'{}'"})

        assert (found, len(long.resources["booking"])) == ({}, 2000)

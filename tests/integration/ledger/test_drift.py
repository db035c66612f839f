"""Whether the ledger and its own accountable tables tell the same story, and who looks."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from events import context, doctor
from events.domain.principal import SYSTEM
from ledger import drift
from ledger.drift import Drift
from ledger.invariants.entries import rows_and_entries_agree
from ledger.models import Agent, AgentKey, ApiKey, Delegation
from ledger.services import agents, api_keys, approval_policies, delegations
from ledger.services.approval_policies import Terms
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import issue
from tests.support.tampering import tamper

pytestmark = pytest.mark.django_db(transaction=True)


def found() -> dict[str, Drift]:
    return {each.check.name: each for each in drift.find_drift() if not each.is_none}


@pytest.fixture
def history(alice: User) -> None:
    """Everything that can be done to who may do what, once."""
    issue(alice, ["*"], name="kept")
    _, revoked = issue(alice, ["*"], name="revoked")
    agent = an_agent(alice)
    top = delegated(agent)
    delegated(agent, parent_id=top.pk)
    ended = delegated(agent)
    key_of(top)
    key_of(ended)
    terms = Terms(
        name="test", meaning="A test.", capabilities=("api_key.issue",), ttl=timedelta(hours=1)
    )
    with context.acting(SYSTEM):
        api_keys.revoke_api_key(key_id=ApiKey.objects.get(pk=revoked).pk)
        delegations.revoke_delegation(delegation_id=top.pk, reason="Done.")
        key = AgentKey.objects.get(delegation=ended)
        delegations.revoke_agent_key(delegation_id=ended.pk, key_id=key.pk)
        agents.stop_agent(agent_id=agent.pk, reason="Odd.")
        agents.stop_all_agents(reason="Odd.")
        first = approval_policies.draft_policy(terms=terms)
        approval_policies.activate_policy(policy_id=first.pk, is_fresh=True)
        second = approval_policies.draft_policy(terms=terms)
        approval_policies.activate_policy(policy_id=second.pk, is_fresh=True)
        approval_policies.retire_policy(policy_id=second.pk, is_fresh=True)


def test_every_accountable_table_has_a_check() -> None:
    assert drift.tables_without_a_check() == []


def test_an_accountable_table_without_a_check_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        name: check
        for name, check in drift._CHECKS.items()
        if check.answers_for != "commerce_refund"
    }
    monkeypatch.setattr(drift, "_CHECKS", others)

    assert drift.tables_without_a_check() == ["commerce_refund"]
    (said,) = (each for each in rows_and_entries_agree() if "commerce_refund" in each)
    assert "has to call ledger.drift.declare_check" in said


def test_what_is_done_by_its_services_is_no_drift(history: None) -> None:
    assert Delegation.objects.filter(revoked_at__isnull=False).count() == 2
    assert found() == {}


@pytest.mark.django_db
def test_every_check_can_be_asked_of_late_changes_only() -> None:
    assert len(drift.find_drift(created_since=timezone.now())) == len(drift._CHECKS)


def test_each_moment_is_asked_of_anew_with_statements_that_are_written_once(alice: User) -> None:
    an_agent(alice)
    tamper("UPDATE ledger_entry SET action_name = 'agent.paint'")
    hour, now = timedelta(hours=1), timezone.now()

    late = [
        [each.check.name for each in drift.find_drift(created_since=since) if not each.is_none]
        for since in (now - hour, now + hour, now - 2 * hour)
    ]

    assert late == [["agent_created"], [], ["agent_created"]]


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE ledger_apikey SET revoked_at = now() WHERE name = 'kept'", "api_key_revoked"),
        (
            "UPDATE ledger_delegation SET revoked_at = now() WHERE revoked_at IS NULL",
            "delegation_revoked",
        ),
        (
            "UPDATE ledger_agentkey SET revoked_at = now() WHERE revoked_at IS NULL",
            "agent_key_revoked",
        ),
        (
            (
                "INSERT INTO ledger_agent (id, name, subtype, owner_id) SELECT gen_random_uuid(),"
                " 'ghost', subtype, owner_id FROM ledger_agent"
            ),
            "agent_created",
        ),
    ],
)
def test_a_row_that_changed_off_the_record_is_found(
    history: None, statement: str, check: str
) -> None:
    tamper(statement)

    [drifted] = found().values()
    assert drifted.check.name == check
    assert (drifted.missing_count, drifted.unseen_count) == (1, 0)


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE ledger_apikey SET revoked_at = NULL", "api_key_revoked"),
        ("DELETE FROM ledger_apikey WHERE name = 'kept'", "api_key_issued"),
        (
            "UPDATE ledger_delegation SET revoked_at = NULL WHERE parent_id IS NULL",
            "delegation_revoked",
        ),
    ],
)
def test_an_entry_whose_row_was_put_back_is_found(
    history: None, statement: str, check: str
) -> None:
    tamper(statement)

    assert found()[check].unseen_count == 1


def test_the_doctor_says_which_row_it_is(history: None) -> None:
    tamper("UPDATE ledger_apikey SET revoked_at = now() WHERE name = 'kept'")
    kept = ApiKey.objects.get(name="kept")

    [check] = [each for each in doctor.checks() if each.id == "I12-drift"]

    assert doctor.examine(check).violations == (
        f"api_key_revoked: {kept.pk} has no entry that says who did it",
    )


def test_the_command_says_what_would_have_to_be_done(history: None) -> None:
    agent = Agent.objects.get()
    tamper("UPDATE ledger_agent SET stopped_at = NULL; DELETE FROM ledger_agent")
    output = StringIO()

    with pytest.raises(CommandError, match="not the same"):
        call_command("ledger_health", "--plan", stdout=output)

    assert "agent_created: 0 missing, 1 unseen" in output.getvalue()
    _, _, plan = output.getvalue().partition("[")
    [planned] = json.loads(f"[{plan}")
    assert planned["check"] == "agent_created"
    assert planned["unseen_count"] == 1
    assert agent.name == "clerk"

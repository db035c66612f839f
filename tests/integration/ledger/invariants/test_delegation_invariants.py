"""The doctor sees when an agent went further than it was let."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from events import context
from events.domain.principal import SYSTEM
from ledger.invariants.delegations import agents_keep_within_their_delegations as examined
from ledger.models import Delegation, Entry
from ledger.services import delegations
from tests.integration.ledger.agents import act, acting, an_agent, delegated

pytestmark = pytest.mark.django_db


@pytest.fixture
def child() -> Delegation:
    ada = User.objects.create_superuser("ada", password="ada-has-a-long-password")
    parent = delegated(an_agent(ada, "first"), "event.*", actions_max=5)
    child = delegated(an_agent(ada, "second"), "event.read", parent_id=parent.pk)
    with acting(child):
        act()
    return child


def corrupted(sql: str, *values: Any) -> None:
    """Change what the triggers would not let anybody change."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
        cursor.execute("SET LOCAL session_replication_role = origin")


class TestAgents:
    def test_are_healthy_when_all_went_well(self, child: Delegation) -> None:
        assert examined() == []

    def test_show_a_delegation_that_was_widened(self, child: Delegation) -> None:
        corrupted("UPDATE ledger_delegation SET scopes = '{*}' WHERE id = %s", child.pk)

        assert examined() == [
            f"delegation {child.pk}: scopes exceeds what a delegation above allows."
        ]

    def test_show_a_budget_that_was_refilled(self, child: Delegation) -> None:
        sql = "UPDATE ledger_delegation SET actions_used = 0 WHERE id = %s"
        corrupted(sql, child.parent_id)

        assert examined() == [f"delegation {child.parent_id} has used less than those below it"]

    def test_show_an_entry_of_no_delegation(self, child: Delegation) -> None:
        entry = Entry.objects.get(action_name="thing.do")
        corrupted(
            "UPDATE ledger_entry SET delegation_id = NULL, delegated_by_type = '', "
            "delegated_by_id = '' WHERE id = %s",
            entry.pk,
        )

        assert examined() == [f"entry {entry.pk} is an agent's, and of no delegation"]

    def test_show_what_was_done_after_the_end(self, child: Delegation) -> None:
        entry = Entry.objects.get(action_name="thing.do")
        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=child.pk, reason="enough")
        corrupted(
            "UPDATE ledger_delegation SET revoked_at = revoked_at - interval '1 day' WHERE id = %s",
            child.pk,
        )

        assert examined() == [f"entry {entry.pk} was made under a delegation that had ended"]

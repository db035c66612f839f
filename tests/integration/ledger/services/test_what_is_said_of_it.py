"""What services leave on record and tell of what they did, and of what they did not do."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from events.models import StoredEvent
from ledger.access import current_rights
from ledger.access.authority import Caller
from ledger.domain.action import UNKNOWN_TARGET
from ledger.domain.rights import Rights
from ledger.models import ApiKey, Delegation, Entry
from ledger.services import accounts, agents, api_keys, delegations
from ledger.services.accounts import UserNotFound
from ledger.services.api_keys import ApiKeyNotFound
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.approvals import STATE, acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant, issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _daybook_acts(transactional_db: None) -> Iterator[None]:
    STATE.clear()
    with context.acting(SYSTEM):
        yield


def entries_of(action: str, **which: object) -> list[Entry]:
    return list(Entry.objects.filter(action_name=action, **which).order_by("occurred_at"))


class TestARevokedDelegation:
    def test_is_told_with_those_below_it_and_no_other(self, alice: User) -> None:
        other = delegated(an_agent(alice, "other"))
        parent = delegated(an_agent(alice, "parent"))
        child = delegated(an_agent(alice, "child"), parent_id=parent.pk)

        delegations.revoke_delegation(delegation_id=parent.pk, reason="enough")

        events = StoredEvent.objects.filter(name="delegation.revoked").order_by("pk")
        assert [event.stream for event in events] == [
            f"delegation/{each.pk}/" for each in (parent, child)
        ]
        assert [each.pk for each in Delegation.objects.filter(revoked_at=None)] == [other.pk]

    def test_is_not_on_record_a_second_time(self, alice: User) -> None:
        link = delegated(an_agent(alice))

        for _ in range(2):
            delegations.revoke_delegation(delegation_id=link.pk, reason="enough")

        assert len(entries_of("delegation.revoke", status="succeeded")) == 1


def test_a_stop_names_the_agent_or_nobody(alice: User) -> None:
    agent = an_agent(alice)

    agents.stop_agent(agent_id=agent.pk, reason="it runs wild")
    agents.stop_all_agents(reason="they run wild")

    assert [each.target_id for each in entries_of("agent.stop")] == [str(agent.pk)]
    assert [each.target_id for each in entries_of("agent.stop_all")] == [UNKNOWN_TARGET]


def test_no_key_and_no_user_are_found_that_there_are_not(alice: User) -> None:
    issue(alice, ["*"])

    with pytest.raises(ApiKeyNotFound):
        api_keys.revoke_api_key(key_id=UUID(int=1))
    with pytest.raises(UserNotFound):
        accounts.change_user(
            user_id=alice.pk + 1, username="x", contact={}, rights=Rights(), caller=None
        )


def test_who_agrees_as_one_of_two_is_on_record_as_having_done_so(alice: User, carol: User) -> None:
    with acting(alice):
        put_into_force(quorum=2)
        approval = say(asked(), carol)

    [entry] = entries_of("approval.decide", approval_id=approval.pk)
    assert (entry.action_kind, entry.status, entry.evaluated_risk) == (
        "approve",
        "succeeded",
        "critical",
    )


class TestWhatIsHeldCurrently:
    def test_is_held_by_the_key_that_is_named(self, alice: User) -> None:
        grant(alice, "api_key.read", "event.read")
        narrow, wide = (
            ApiKey.objects.get(pk=issue(alice, [scope])[1]) for scope in ("event.read", "*")
        )

        assert current_rights.holds_currently(wide.principal, "api_key.read")
        assert not current_rights.holds_currently(narrow.principal, "api_key.read")

    def test_is_held_by_nobody_who_may_not_log_in(self) -> None:
        root = User.objects.create_superuser("root")
        who = Caller(root).principal
        assert current_rights.holds_currently(who, "api_key.read")

        User.objects.update(is_active=False)

        assert not current_rights.holds_currently(who, "api_key.read")

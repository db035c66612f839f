"""When a delegation is in force, and what an agent is told when it is not."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from events import context
from events.domain.principal import SYSTEM
from ledger.access import credentials
from ledger.access.credentials import CredentialRefused
from ledger.domain.delegation import DelegationEnded, DelegationNotBegun
from ledger.services import delegations
from ledger.services.delegations import AgentKeyExpiryOutOfRange
from tests.integration.ledger.agents import act, acting, an_agent, delegated, key_of

pytestmark = pytest.mark.django_db(transaction=True)


class TestADelegation:
    def test_an_expired_delegation_allows_nothing(self, ada: User) -> None:
        link = delegated(an_agent(ada))

        with (
            time_machine.travel(link.expires_at, tick=False),
            acting(link),
            pytest.raises(DelegationEnded),
        ):
            act()

    def test_one_that_begins_later_allows_nothing_and_says_so(self, ada: User) -> None:
        link = delegated(an_agent(ada), starts_at=timezone.now() + timedelta(hours=1))

        assert credentials.agent_key_for(key_of(link)).delegation == link
        with acting(link), pytest.raises(DelegationNotBegun, match="begins later"):
            act()

    def test_what_has_ended_below_one_that_begins_later_is_shut_out(self, ada: User) -> None:
        parent = delegated(an_agent(ada), starts_at=timezone.now() + timedelta(hours=1))
        child = delegated(an_agent(ada, "child"), parent_id=parent.pk)
        secret = key_of(child)
        assert credentials.agent_key_for(secret).delegation == child

        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=child.pk, reason="enough")

        with pytest.raises(CredentialRefused):
            credentials.agent_key_for(secret)

    def test_has_no_key_that_ended_before_it_was_shown(self, ada: User) -> None:
        link = delegated(an_agent(ada))

        with context.acting(SYSTEM), pytest.raises(AgentKeyExpiryOutOfRange):
            delegations.issue_agent_key(
                delegation_id=link.pk, root=ada, expires_at=timezone.now() - timedelta(days=1)
            )

        assert not link.keys.exists()

    @pytest.mark.parametrize(("hours", "ends_first"), [(1, "the key"), (1_000, "the delegation")])
    def test_has_a_key_that_ends_no_later_than_it_does(
        self, ada: User, hours: int, ends_first: str
    ) -> None:
        link, asked = delegated(an_agent(ada)), timezone.now() + timedelta(hours=hours)

        with context.acting(SYSTEM):
            key, _ = delegations.issue_agent_key(delegation_id=link.pk, root=ada, expires_at=asked)

        assert key.expires_at == (asked if ends_first == "the key" else link.expires_at)

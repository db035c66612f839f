"""What a caller holds: by kind of principal, together with what else, and within which reach."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from guardian.shortcuts import assign_perm

from events import context
from events.domain.principal import SYSTEM, Principal, PrincipalKind
from ledger import capabilities
from ledger.access import delegations
from ledger.access.authority import Caller
from ledger.access.delegations import Chain
from ledger.domain.delegation import DelegationEnded
from ledger.models import AgentKey, ApiKey, Delegation
from ledger.services import agents
from ledger.services import delegations as services
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import grant, issue

pytestmark = pytest.mark.django_db(transaction=True)


def by_key(user: User, scope: str = "*") -> Caller:
    return Caller(user, key=ApiKey.objects.get(pk=issue(user, [scope])[1]))


def as_agent(link: Delegation) -> Caller:
    key_of(link)
    return Caller(link.root, agent_key=AgentKey.objects.get(delegation=link))


class TestACapability:
    def test_is_for_the_kinds_of_principals_that_it_names(self, ada: User) -> None:
        agent = as_agent(delegated(an_agent(ada)))

        assert Caller(ada).holds("user.administer")
        assert not by_key(ada).holds("user.administer")
        assert by_key(ada).holds("api_key.issue")
        assert not agent.holds("api_key.issue")
        assert "api_key.issue" not in agent.capabilities

    def test_is_held_with_all_that_it_needs(self, alice: User) -> None:
        alone = grant(alice, "user.administer")

        assert not Caller(alone).holds("user.administer")
        assert Caller(grant(alone, "user.read")).holds("user.administer")

    def test_is_held_with_one_of_those_that_it_needs_one_of(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needs = replace(
            capabilities.get("event.read"), any_of=frozenset({"user.read", "agent.read"})
        )
        monkeypatch.setitem(capabilities._DECLARED, "event.read", needs)
        alone = grant(alice, "event.read")

        assert not Caller(alone).holds("event.read")
        assert Caller(grant(alone, "agent.read")).holds("event.read")

    def test_is_held_by_an_agent_within_its_scopes(self, ada: User) -> None:
        agent = as_agent(delegated(an_agent(ada), "event.read"))

        assert agent.holds("event.read")
        assert not agent.holds("api_key.read")

    def test_on_an_object_is_held_on_that_and_within_the_scopes_of_a_key(
        self, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on_objects = replace(capabilities.get("user.read"), object_permission="auth.view_user")
        monkeypatch.setitem(capabilities._DECLARED, "user.read", on_objects)
        assign_perm("auth.view_user", alice, bob)

        assert by_key(alice, "user.*").holds("user.read", bob)
        assert not by_key(alice, "user.*").holds("user.read", alice)
        assert not by_key(alice, "event.*").holds("user.read", bob)

    def test_over_everything_is_not_held_within_a_filter(self, ada: User) -> None:
        named = User.objects.create_user("named")
        link = delegated(an_agent(ada), resources={"user": (str(named.pk),)})
        agent = as_agent(link)

        assert not agent.holds("user.read")
        assert agent.holds("user.read", named)
        assert not agent.holds("user.read", ada)
        assert agent.holds_somewhere("user.read")
        assert not agent.holds_somewhere("api_key.issue")
        assert (agent.reaches("user", str(named.pk)), agent.reaches("user", "0")) == (True, False)


class TestAStoppedChain:
    """Is one that would be in force, if nobody had stopped its agent."""

    @pytest.fixture
    def link(self, ada: User) -> Delegation:
        above = delegated(an_agent(ada, "top"))
        return delegated(an_agent(ada, "lowest"), parent_id=above.pk)

    def is_stopped(self, link: Delegation, *, later: timedelta = timedelta(0)) -> bool:
        fresh = Delegation.objects.select_related("agent", "root", "parent__agent")
        return Chain.of(fresh.get(pk=link.pk)).is_stopped(timezone.now() + later)

    def stop(self) -> None:
        with context.acting(SYSTEM):
            agents.stop_all_agents(reason="a test")

    def test_is_not_one_that_runs(self, link: Delegation) -> None:
        assert not self.is_stopped(link)
        self.stop()
        assert self.is_stopped(link)

    def test_is_not_one_that_has_ended(self, link: Delegation) -> None:
        self.stop()

        chain = Chain.of(link)
        ends_at = min(each.expires_at for each in chain.links)
        assert not chain.is_stopped(ends_at)
        assert chain.is_stopped(ends_at - timedelta(microseconds=1))

    def test_is_not_one_that_was_revoked_above(self, link: Delegation) -> None:
        self.stop()
        assert link.parent_id is not None
        with context.acting(SYSTEM):
            services.revoke_delegation(delegation_id=link.parent_id, reason="enough")

        assert not self.is_stopped(link)

    def test_is_not_one_whose_owner_is_gone(self, link: Delegation, ada: User) -> None:
        self.stop()
        User.objects.filter(pk=ada.pk).update(is_active=False)

        assert not self.is_stopped(link)


class TestTheChainOfAnAgent:
    @pytest.mark.parametrize("what", ["another agent", "no delegation", "no id", "no agent"])
    def test_is_found_by_both_ids_alone(self, ada: User, what: str) -> None:
        mine = delegated(an_agent(ada, "mine"))
        other = delegated(an_agent(ada, "other"))
        agent_id, id_ = {
            "another agent": (str(other.agent_id), str(mine.pk)),
            "no delegation": (str(mine.agent_id), str(uuid4())),
            "no id": (str(mine.agent_id), "x"),
            "no agent": ("x", str(mine.pk)),
        }[what]
        principal = Principal(kind=PrincipalKind.AGENT, id=agent_id, delegation_id=id_)

        with pytest.raises(DelegationEnded):
            delegations.chain_of(principal)

        assert delegations.chain_of(mine.principal).last == mine

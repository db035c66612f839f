"""Every link of a chain of delegations has its say, and who is named in it is looked at."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import Principal
from ledger.domain.delegation import DelegationEnded, OutOfReach
from ledger.models import Delegation, Entry
from tests.integration.ledger.agents import act, acting, an_agent, delegated

pytestmark = pytest.mark.django_db


@pytest.fixture
def child(ada: User) -> Delegation:
    """May read events of one thing, below somebody who may read keys too, and everything."""
    parent = delegated(an_agent(ada, "first"), "event.read", "api_key.read")
    return delegated(
        an_agent(ada, "second"), "event.read", parent_id=parent.pk, resources={"event": ("t1",)}
    )


def look(target: str, *, capability: str = "event.read") -> None:
    act(target=target, type_="event", capability=capability)


def did() -> list[str]:
    done = Entry.objects.filter(action_name="thing.do", status="succeeded")
    return list(done.values_list("target_id", flat=True))


class TestAChain:
    def test_lets_pass_what_all_of_it_covers(self, child: Delegation) -> None:
        with acting(child):
            look("t1")

        assert did() == ["t1"]

    def test_keeps_out_what_only_the_one_above_covers(self, child: Delegation) -> None:
        with acting(child), pytest.raises(OutOfReach):
            look("t1", capability="api_key.read")

        assert did() == []

    def test_keeps_out_what_only_the_one_above_lets_pass(self, child: Delegation) -> None:
        with acting(child), pytest.raises(OutOfReach):
            look("t2")

        assert did() == []

    def test_ends_with_the_account_of_its_root(self, ada: User, child: Delegation) -> None:
        ada.is_active = False
        ada.save()

        with acting(child), pytest.raises(DelegationEnded):
            look("t1")

        assert did() == []


class TestTheAgent:
    @pytest.mark.parametrize("agent", ["another", "nonsense"])
    def test_is_that_of_its_delegation(self, ada: User, child: Delegation, agent: str) -> None:
        id_ = str(an_agent(ada, "third").pk) if agent == "another" else agent
        refused(replace(child.principal, id=id_))

    def test_has_a_delegation_that_there_is(self, child: Delegation) -> None:
        refused(replace(child.principal, delegation_id="nonsense"))


def refused(principal: Principal) -> None:
    with context.acting(principal), pytest.raises(DelegationEnded):
        look("t1")
    assert did() == []

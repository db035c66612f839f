"""What a capability lets go unrecorded: of people, and never of an agent."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger import capabilities
from ledger.approving import reference
from ledger.approving.reference import ApprovalNotNeeded
from ledger.domain.capability import LedgerPolicy
from ledger.models import Entry
from tests.integration.ledger.agents import act, an_agent, delegated
from tests.integration.ledger.agents import acting as acting_as_agent
from tests.integration.ledger.approvals import acting

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _loose(monkeypatch: pytest.MonkeyPatch) -> None:
    loose = replace(capabilities.get("event.read"), ledger=LedgerPolicy.NONE)
    monkeypatch.setitem(capabilities._DECLARED, "event.read", loose)


def recorded() -> list[str]:
    done = Entry.objects.filter(action_name="thing.do")
    return list(done.values_list("principal_type", flat=True))


@pytest.mark.usefixtures("_loose")
class TestWhatMayBeLost:
    def test_is_not_on_record_of_a_person(self, alice: User) -> None:
        with acting(alice):
            act()

        assert recorded() == []

    def test_is_on_record_of_an_agent(self, alice: User) -> None:
        link = delegated(an_agent(alice), actions_max=1)

        with acting_as_agent(link):
            act()

        link.refresh_from_db()
        assert (recorded(), link.actions_used) == (["agent"], 1)

    def test_is_nothing_to_ask_approval_for(self, alice: User) -> None:
        with acting(alice), reference.only_asking(), pytest.raises(ApprovalNotNeeded):
            act()


def test_what_may_not_be_lost_is_on_record_of_everybody(alice: User) -> None:
    assert capabilities.get("event.read").ledger is LedgerPolicy.OPTIONAL

    with acting(alice):
        act()
    with context.acting(SYSTEM):
        act()

    assert sorted(recorded()) == ["system", "user"]

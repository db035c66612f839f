"""Services find the one that was named, and refuse what its time or its owner does not allow."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger.access.authority import Caller
from ledger.access.principals import human_of
from ledger.domain.approval import ApprovalDecisionConflict, ApprovalNotFound
from ledger.domain.capability import CapabilityMissing
from ledger.models import Agent, ApiKey, Approval, Entry
from ledger.services import agents, api_keys, approvals, erasures
from ledger.services.agents import AgentNotFound
from ledger.services.api_keys import ApiKeyEnded, ApiKeyOverlapOutOfRange
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.approvals import (
    STATE,
    acting,
    asked,
    give_the_thing_a_command,
    put_into_force,
)
from tests.integration.ledger.conftest import grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
WEEK = timedelta(days=7)


class TestAnAgent:
    def test_that_is_named_is_stopped_and_no_other(self, alice: User, bob: User) -> None:
        hers, his = an_agent(alice, "hers"), an_agent(bob, "his")

        with context.acting(SYSTEM):
            agents.stop_agent(agent_id=his.pk, reason="it runs wild")

        stopped = Agent.objects.exclude(stopped_at=None)
        assert [each.pk for each in stopped] == [his.pk]
        assert hers.pk != his.pk

    def test_that_there_is_not_is_not_found(self, alice: User) -> None:
        an_agent(alice)

        with context.acting(SYSTEM), pytest.raises(AgentNotFound):
            agents.stop_agent(agent_id=UUID(int=1), reason="it runs wild")

    def test_is_the_doing_of_its_own_owner(self, alice: User, bob: User) -> None:
        hers, his = delegated(an_agent(alice, "hers")), delegated(an_agent(bob, "his"))

        assert human_of(hers.principal) == str(alice.pk)
        assert human_of(his.principal) == str(bob.pk)


class TestAKeyThatIsRotated:
    @pytest.fixture
    def key(self, alice: User) -> ApiKey:
        return ApiKey.objects.get(pk=issue(alice, ["api_key.read"])[1])

    def rotate(self, key: ApiKey, **how: timedelta) -> ApiKey:
        with acting(key.owner):
            new, _ = api_keys.rotate_api_key(key_id=key.pk, issuer=Caller(key.owner), **how)
        return new

    def test_is_good_to_its_last_moment_and_not_in_it(self, key: ApiKey) -> None:
        with time_machine.travel(key.expires_at, tick=False), pytest.raises(ApiKeyEnded):
            self.rotate(key)
        with time_machine.travel(key.expires_at - SECOND, tick=False):
            self.rotate(key)

    @pytest.mark.parametrize("overlap", [timedelta(0), WEEK], ids=["none", "a week"])
    def test_runs_on_for_a_week_at_most(self, key: ApiKey, overlap: timedelta) -> None:
        assert self.rotate(key, overlap=overlap).lineage == key.lineage

    @pytest.mark.parametrize("overlap", [-SECOND, WEEK + SECOND], ids=["less", "more"])
    def test_runs_on_no_other_time(self, key: ApiKey, overlap: timedelta) -> None:
        with pytest.raises(ApiKeyOverlapOutOfRange):
            self.rotate(key, overlap=overlap)

        key.refresh_from_db()
        assert key.successor is None


def test_a_subject_is_held_again_after_a_hold_was_lifted() -> None:
    with context.acting(SYSTEM):
        hold = erasures.place_hold(subject="traveller/1", reason="Case 4711")
        erasures.lift_hold(hold_id=hold.pk, reason="It is over")

        again = erasures.place_hold(subject="traveller/1", reason="Case 4712")

    assert again.pk != hold.pk


class TestARequestForApproval:
    @pytest.fixture(autouse=True)
    def _alice_acts_under_a_policy(self, alice: User, transactional_db: None) -> Iterator[None]:
        STATE.clear()
        put_into_force()
        with acting(alice):
            yield

    def test_is_not_withdrawn_after_its_time(self, alice: User) -> None:
        approval = asked()

        with (
            time_machine.travel(approval.expires_at, tick=False),
            pytest.raises(ApprovalDecisionConflict) as refused,
        ):
            approvals.cancel_approval(approval_id=approval.pk, by=Caller(alice))

        approval.refresh_from_db()
        assert (approval.status, refused.value.facts["status"]) == ("expired", "expired")

    def test_of_somebody_else_is_not_withdrawn_and_that_is_on_record(self, bob: User) -> None:
        approval = asked()

        with acting(bob) as stranger:
            for approval_id in (approval.pk, UUID(int=1)):
                with pytest.raises(ApprovalNotFound):
                    approvals.cancel_approval(approval_id=approval_id, by=stranger)

        [denied] = Entry.objects.filter(principal_id=str(bob.pk), status="denied")
        assert denied.approval_id == approval.pk

    def test_is_made_ahead_by_who_may_do_it_once_it_is_approved(
        self, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        give_the_thing_a_command(monkeypatch)
        wanted = {"command": "thing.do", "target_id": "t1", "input": {}}

        with acting(bob) as caller, pytest.raises(CapabilityMissing):
            approvals.request_command_approval(**wanted, by=caller)  # type: ignore[arg-type]
        assert not Approval.objects.exists()

        with acting(grant(bob, "api_key.revoke")) as caller:
            approval = approvals.request_command_approval(**wanted, by=caller)  # type: ignore[arg-type]
        assert approval.requested_by == f"user:{bob.pk}"

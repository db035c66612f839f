"""What the system asks for because somebody let it is not for them to decide."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import Action, Kind, Target
from ledger.domain.approval import SelfDecisionForbidden
from ledger.invariants.rights import approvals_match_their_entries
from ledger.models import Approval, Entry
from ledger.recording import recorded
from tests.integration.ledger.approvals import principal_of, put_into_force, say
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(alice: User) -> User:
    return grant(alice, "approval.decide")


@pytest.fixture
def approval(alice: User, transactional_db: None) -> Iterator[Approval]:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.revoke",
        delegated_by=principal_of(alice),
    )
    with context.acting(SYSTEM):
        put_into_force()
        with pytest.raises(ApprovalRequired) as required, recorded(action):
            pass
    yield required.value.approval
    assert approvals_match_their_entries() == []


def test_it_is_on_record_who_let_it(approval: Approval, alice: User) -> None:
    asked = Entry.objects.get(pk=approval.requested_entry_id)

    assert (asked.delegated_by_type, asked.delegated_by_id) == ("user", str(alice.pk))
    assert (approval.chain, approval.humans) == (
        ["system:daybook", f"user:{alice.pk}"],
        [str(alice.pk)],
    )


def test_it_is_for_others_to_decide(approval: Approval, alice: User, carol: User) -> None:
    with pytest.raises(SelfDecisionForbidden):
        say(approval, alice)

    assert say(approval, carol).status == "approved"

"""What is declared to need approval needs it whatever the conditions of the policies say."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from ledger import capabilities
from ledger.approving import reference
from ledger.approving.reference import ApprovalNotNeeded
from ledger.domain.capability import ApprovalPolicy
from ledger.domain.policy import PolicyMissing
from ledger.models import Approval, Entry
from tests.integration.ledger.approvals import STATE, acting, asked, do, put_into_force, say, under

pytestmark = pytest.mark.django_db(transaction=True)

NEVER = "target_type == 'nothing of the kind'"


@pytest.fixture(autouse=True)
def _alice_does_what_always_needs_approval(
    alice: User, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    STATE.clear()
    needing = replace(capabilities.get("api_key.revoke"), approval=ApprovalPolicy.REQUIRED)
    monkeypatch.setitem(capabilities._DECLARED, "api_key.revoke", needing)
    with acting(alice):
        yield


def done() -> int:
    return Entry.objects.filter(action_name="thing.do", status="succeeded").count()


def test_is_asked_for_under_a_policy_whose_condition_does_not_hold(carol: User) -> None:
    policy = put_into_force(condition=NEVER)

    approval = asked()

    assert (approval.policy_id, done()) == (policy.pk, 0)
    under(say(approval, carol))
    assert done() == 1


def test_is_not_done_where_no_policy_says_who_agrees() -> None:
    put_into_force(capabilities=("api_key.issue",), condition="")

    with pytest.raises(PolicyMissing):
        do()

    assert (done(), Approval.objects.count()) == (0, 0)


def test_leaves_what_is_not_declared_so_to_the_conditions() -> None:
    put_into_force(condition=NEVER)

    do(capability="api_key.issue")

    assert done() == 1


def test_needs_none_beside_that_and_says_so_to_who_asks_ahead() -> None:
    put_into_force(condition=NEVER)

    with reference.only_asking(), pytest.raises(ApprovalNotNeeded):
        do(capability="api_key.issue")

    assert (done(), Approval.objects.count()) == (0, 0)

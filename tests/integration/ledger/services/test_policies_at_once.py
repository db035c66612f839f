"""Two versions of one policy at the same moment: the second waits, and comes after the first."""

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger.models import ApprovalPolicyVersion
from ledger.services import approval_policies
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.at_once import DONE, one_waits_for_the_other
from tests.integration.ledger.services.test_policies import NAME, terms, versions

pytestmark = pytest.mark.django_db(transaction=True)


def draft() -> ApprovalPolicyVersion:
    with context.acting(SYSTEM):
        return approval_policies.draft_policy(terms=terms())


def activate(policy: ApprovalPolicyVersion) -> None:
    with context.acting(SYSTEM):
        approval_policies.activate_policy(policy_id=policy.pk)


def test_are_drafted_with_a_number_each() -> None:
    ends = one_waits_for_the_other('INSERT INTO "ledger_approvalpolicyversion"', draft, draft)

    assert ends == (DONE, DONE)
    assert versions() == [(1, "draft"), (2, "draft")]


@pytest.mark.parametrize("has_one_in_force", [False, True])
def test_are_put_into_force_one_after_the_other(alice: User, *, has_one_in_force: bool) -> None:
    with context.acting(SYSTEM):
        before = [put_into_force(name=NAME)] if has_one_in_force else []
    first, second = draft(), draft()

    ends = one_waits_for_the_other(
        'UPDATE "ledger_approvalpolicyversion"', lambda: activate(first), lambda: activate(second)
    )

    assert ends == (DONE, DONE)
    retired = [(each.version, "retired") for each in [*before, first]]
    assert versions() == [*retired, (second.version, "active")]

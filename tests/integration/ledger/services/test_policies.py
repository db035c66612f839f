"""What operators have decided about policies stays decided."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger.domain.policy import PolicyFixed, PolicyStepUpRequired
from ledger.models import ApprovalPolicyVersion
from ledger.services import approval_policies
from ledger.services.approval_policies import Terms
from tests.integration.ledger.approvals import acting, put_into_force

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "test-approval"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _alice_acts(alice: User, transactional_db: None) -> Iterator[None]:
    with acting(alice):
        yield


def terms(**changes: Any) -> Terms:
    plain = {"name": NAME, "meaning": "", "capabilities": ("api_key.revoke",), "ttl": HOUR}
    return Terms(**{**plain, **changes})


def versions() -> list[tuple[int, str]]:
    rows = ApprovalPolicyVersion.objects.filter(name=NAME).order_by("version")
    return list(rows.values_list("version", "status"))


class TestRetiring:
    def test_takes_somebody_who_has_just_said_who_they_are(self) -> None:
        policy = put_into_force(name=NAME)

        with pytest.raises(PolicyStepUpRequired):
            approval_policies.retire_policy(policy_id=policy.pk)

        assert versions() == [(1, "active")]

    def test_takes_no_password_of_a_program(self) -> None:
        policy = put_into_force(name=NAME)

        with context.acting(SYSTEM):
            approval_policies.retire_policy(policy_id=policy.pk)

        assert versions() == [(1, "retired")]

    def test_of_a_draft_takes_no_password(self) -> None:
        draft = approval_policies.draft_policy(terms=terms())

        approval_policies.retire_policy(policy_id=draft.pk)

        assert versions() == [(1, "retired")]

    def test_happens_once(self) -> None:
        policy = put_into_force(name=NAME)
        approval_policies.retire_policy(policy_id=policy.pk, is_fresh=True)

        with pytest.raises(PolicyFixed):
            approval_policies.retire_policy(policy_id=policy.pk, is_fresh=True)


class TestInstalling:
    def test_a_second_time_changes_nothing(self) -> None:
        [made] = approval_policies.install_policies(every=[terms()])

        assert approval_policies.install_policies(every=[terms(quorum=2)]) == []
        assert approval_policies.install_policies(every=[], drafts=[terms(quorum=2)]) == []
        assert made.name == NAME
        assert versions() == [(1, "active")]

    def test_leaves_retired_what_an_operator_retired(self) -> None:
        [made] = approval_policies.install_policies(every=[terms()])
        approval_policies.retire_policy(policy_id=made.pk, is_fresh=True)

        approval_policies.install_policies(every=[terms()])

        assert versions() == [(1, "retired")]

    def test_of_a_draft_a_second_time_drafts_no_other(self) -> None:
        for _ in range(2):
            assert approval_policies.install_policies(every=[], drafts=[terms()]) == []

        assert versions() == [(1, "draft")]

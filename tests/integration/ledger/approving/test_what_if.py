"""Which entries a draft is tried on: those it is about, of the days that were asked for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from ledger.approving import what_if
from ledger.models import ApprovalPolicyVersion
from ledger.services import approval_policies
from ledger.services.approval_policies import Terms
from tests.integration.ledger.approvals import STATE, acting, do, put_into_force

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _alice_has_done_one_thing_of_each_kind(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    with acting(alice):
        do(capability="api_key.revoke")
        do(capability="api_key.issue")
        yield


def a_draft(capability: str, **changes: Any) -> ApprovalPolicyVersion:
    terms = {"name": "tried", "meaning": "", "ttl": timedelta(hours=1), **changes}
    return approval_policies.draft_policy(terms=Terms(capabilities=(capability,), **terms))


def asked_for(policy: ApprovalPolicyVersion, *, days: int = 7) -> tuple[int, int, int]:
    """Return how many entries it is tried on, how many it would ask for, and no longer ask for."""
    report = what_if.replay(policy, days=days)
    return report.examined, report.more_count, report.fewer_count


class TestADraft:
    def test_is_tried_on_what_it_is_about(self) -> None:
        assert asked_for(a_draft("api_key.revoke")) == (1, 1, 0)
        assert asked_for(a_draft("api_key.*")) == (2, 2, 0)

    def test_is_tried_on_the_days_that_were_asked_for(self) -> None:
        draft = a_draft("api_key.revoke")

        with time_machine.travel(timezone.now() + timedelta(days=7), tick=False):
            assert asked_for(draft) == (0, 0, 0)
            assert asked_for(draft, days=8) == (1, 1, 0)

    def test_is_tried_on_what_the_version_in_force_is_about_too(self) -> None:
        put_into_force(name="tried", capabilities=("api_key.revoke",), condition="")
        put_into_force(name="another", capabilities=("event.read",), condition="")

        # What was asked for until now would not be; what is asked for by another stays so.
        assert asked_for(a_draft("api_key.issue")) == (2, 1, 1)

    def test_stands_beside_the_others_that_are_in_force(self) -> None:
        put_into_force(name="another", capabilities=("api_key.*",), condition="")

        assert asked_for(a_draft("api_key.revoke")) == (1, 0, 0)

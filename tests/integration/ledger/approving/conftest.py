from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from tests.integration.ledger.approvals import STATE, acting, put_into_force
from tests.integration.ledger.conftest import grant


@pytest.fixture
def alice_may_decide(alice: User) -> None:
    """Name it before `alice_acts_under_a_policy`: who acts keeps the permissions of then."""
    grant(alice, "approval.decide")


@pytest.fixture
def alice_acts_under_a_policy(alice: User, transactional_db: None) -> Iterator[None]:
    STATE.clear()
    put_into_force()
    with acting(User.objects.get(pk=alice.pk)):
        yield

"""Behind every key stands a human."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from events.domain.principal import ANONYMOUS, SYSTEM, Principal, PrincipalKind
from ledger.access.principals import human_of
from ledger.services import api_keys


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_user("ada")


class TestHumanOf:
    def test_a_user_is_that_user(self, ada: User) -> None:
        assert human_of(Principal(kind=PrincipalKind.USER, id=str(ada.pk))) == str(ada.pk)

    def test_an_api_key_is_its_owner_even_when_it_has_ended(self, ada: User) -> None:
        ends = timezone.now() + timedelta(days=1)
        key, _ = api_keys.issue_api_key(name="x", owner=ada, scopes=["*"], expires_at=ends)

        assert human_of(key.principal) == str(ada.pk)
        api_keys.revoke_api_key(key_id=key.pk)
        assert human_of(key.principal) == str(ada.pk)

    def test_the_system_and_nobody_are_nobody(self, ada: User) -> None:
        assert human_of(SYSTEM) is None
        assert human_of(ANONYMOUS) is None
        assert human_of(Principal(kind=PrincipalKind.API_KEY, id="never")) is None

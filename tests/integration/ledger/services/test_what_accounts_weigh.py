"""What policies can ask about a change of an account: whether it makes a superuser."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger.domain.rights import Rights
from ledger.models import Entry
from ledger.services import accounts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _daybook_acts(transactional_db: None) -> Iterator[None]:
    with context.acting(SYSTEM):
        yield


def facts_of(action: str) -> object:
    return Entry.objects.get(action_name=action).mutation.risk_facts


@pytest.mark.parametrize(
    ("before", "after", "makes_one"),
    [(False, True, True), (True, True, False), (True, False, False), (False, False, False)],
)
def test_a_change_makes_one_of_who_was_none(
    bob: User, *, before: bool, after: bool, makes_one: bool
) -> None:
    User.objects.filter(pk=bob.pk).update(is_superuser=before)

    accounts.change_user(
        user_id=bob.pk,
        username="bob",
        contact={},
        rights=Rights(is_staff=True, is_superuser=after),
        caller=None,
    )

    assert facts_of("user.change") == {"makes_superuser": makes_one}


@pytest.mark.parametrize("is_one", [False, True])
def test_a_new_account_makes_one_if_it_is_one(*, is_one: bool) -> None:
    rights = Rights(is_superuser=is_one)

    accounts.create_account(username="eve", password_hash="!", rights=rights)

    assert facts_of("user.create") == {"makes_superuser": is_one}

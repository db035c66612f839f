"""Two who administer users, at the same moment: the second is judged by what the first has done."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.access.authority import Caller
from ledger.domain.rights import Rights
from ledger.models import Entry
from ledger.services import accounts
from tests.integration.ledger.at_once import DONE, one_waits_for_the_other

pytestmark = pytest.mark.django_db(transaction=True)

ADMINISTERS = ["ledger.user.administer", "ledger.user.read"]
EMPTIES_A_GROUP = 'DELETE FROM "auth_group_permissions"'
CHANGES_A_USER = 'UPDATE "auth_user"'


@pytest.fixture
def anna(db: None) -> User:
    return administrator("anna")


@pytest.fixture
def ben(db: None) -> User:
    return administrator("ben")


def administrator(name: str) -> User:
    """Return somebody who administers users by a group alone."""
    user = User.objects.create_user(name)
    user.groups.add(accounts.create_group(name=name, permissions=ADMINISTERS, caller=None))
    return user


def group_of(user: User) -> Group:
    return user.groups.get()


def administers(user: User) -> bool:
    return accounts.rights_of(User.objects.get(pk=user.pk)).holds("ledger.user.administer")


@pytest.fixture(autouse=True)
def nobody_in_particular(db: None) -> Iterator[None]:
    with context.acting(Principal(kind=PrincipalKind.SYSTEM, id="test")):
        yield


def acts(user: User, act: Callable[..., Any], **arguments: Any) -> Callable[[], Any]:
    def run() -> Any:
        with context.acting(Principal(kind=PrincipalKind.USER, id=str(user.pk))):
            return act(caller=Caller(user), **arguments)

    return run


def empties(by: User, group: Group) -> Callable[[], Any]:
    return acts(by, accounts.change_group, group_id=group.pk, name=group.name, permissions=[])


def changes(by: User, user: User, **rights: Any) -> Callable[[], Any]:
    contact = {"first_name": "", "last_name": "", "email": ""}
    return acts(
        by,
        accounts.change_user,
        user_id=user.pk,
        username=user.username,
        contact=contact,
        rights=Rights(**rights),
    )


class TestTwoWhoAdministerUsers:
    def test_cannot_empty_each_others_group(self, anna: User, ben: User) -> None:
        ended = one_waits_for_the_other(
            EMPTIES_A_GROUP, empties(anna, group_of(ben)), empties(ben, group_of(anna))
        )

        assert ended == (DONE, "capability_missing")
        assert (administers(anna), administers(ben)) == (True, False)
        refused = Entry.objects.filter(action_name="group.change", status="denied")
        assert [entry.principal_id for entry in refused] == [str(ben.pk)]

    def test_cannot_put_each_other_out_of_their_groups(self, anna: User, ben: User) -> None:
        ended = one_waits_for_the_other(
            CHANGES_A_USER, changes(anna, ben), empties(ben, group_of(anna))
        )

        assert ended == (DONE, "capability_missing")
        assert (administers(anna), administers(ben)) == (True, False)

    def test_cannot_make_each_other_less_than_a_superuser(self, anna: User, ben: User) -> None:
        User.objects.update(is_superuser=True, is_staff=True)

        ended = one_waits_for_the_other(
            CHANGES_A_USER, changes(anna, ben, is_staff=True), changes(ben, anna, is_staff=True)
        )

        assert ended == (DONE, "capability_missing")
        assert list(User.objects.filter(is_superuser=True)) == [anna]

    def test_put_nobody_into_a_group_that_is_called_otherwise_by_then(
        self, anna: User, ben: User
    ) -> None:
        carl = User.objects.create_user("carl")
        renames = acts(
            anna,
            accounts.change_group,
            group_id=group_of(ben).pk,
            name="night",
            permissions=ADMINISTERS,
        )

        ended = one_waits_for_the_other(
            'UPDATE "auth_group"', renames, changes(ben, carl, groups=frozenset({"ben"}))
        )

        assert ended == (DONE, "rights_gone")
        assert not carl.groups.exists()

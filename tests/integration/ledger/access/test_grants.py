from collections.abc import Callable

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from pytest_django import DjangoAssertNumQueries

from ledger.access.grants import GrantsBackend

pytestmark = pytest.mark.django_db


def directly(user: User) -> None:
    user.user_permissions.add(Permission.objects.get(codename="event.read"))


def through_two_groups(user: User) -> None:
    directly(user)
    for codename in ("event.read", "view_group"):
        group = Group.objects.create(name=codename)
        group.permissions.add(Permission.objects.get(codename=codename))
        user.groups.add(group)


def as_a_superuser(user: User) -> None:
    user.is_superuser = True


def not_at_all(user: User) -> None:
    directly(user)
    user.is_active = False


@pytest.mark.parametrize("granted", [directly, through_two_groups, as_a_superuser, not_at_all])
def test_a_user_has_the_permissions_that_django_says(granted: Callable[[User], None]) -> None:
    user = User.objects.create_user("alice")
    User.objects.create_user("bob").user_permissions.set(Permission.objects.all()[:5])
    granted(user)
    user.save()

    expected = ModelBackend().get_all_permissions(User.objects.get(pk=user.pk))

    assert GrantsBackend().get_all_permissions(User.objects.get(pk=user.pk)) == expected
    of_a_session = GrantsBackend().get_user(user.pk)
    assert (of_a_session is None) is (granted is not_at_all)
    if of_a_session is not None:
        assert of_a_session.get_all_permissions() == expected
    assert bool(expected) is (granted is not not_at_all)


@pytest.mark.parametrize("is_superuser", [False, True])
def test_all_permissions_of_a_user_are_one_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
    is_superuser: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    user = User.objects.create_user("alice", is_superuser=is_superuser)
    through_two_groups(user)
    user = User.objects.get(pk=user.pk)

    with django_assert_num_queries(1):
        assert user.get_all_permissions() >= {"ledger.event.read", "auth.view_group"}


def test_a_user_comes_from_a_session_as_the_orm_reads_them_and_with_their_permissions(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ada = User.objects.create_user("ada", email="ada@example.com", first_name="Ada")
    through_two_groups(ada)

    with django_assert_num_queries(1):
        found = GrantsBackend().get_user(ada.pk)
        assert found is not None
        assert found.has_perms(["ledger.event.read", "auth.view_group"])
        assert not found.has_perm("auth.change_group")

    expected = vars(User.objects.get(pk=ada.pk))
    assert {name: vars(found)[name] for name in expected.keys() - {"_state"}} == {
        name: value for name, value in expected.items() if name != "_state"
    }


def test_nobody_comes_from_a_session_of_a_user_that_is_gone() -> None:
    assert GrantsBackend().get_user(1_000_000) is None

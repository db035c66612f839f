from collections.abc import Callable

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from pytest_django import DjangoAssertNumQueries

from ledger.grants import GrantsBackend

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

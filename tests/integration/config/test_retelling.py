"""What a test begins with is just what the services have written once."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import Error

from config.testing.flush import put_all_right
from config.testing.retelling import Step, record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def renamed() -> Step[Group]:
    """One group more, another under a new name, and one less."""
    put_all_right()
    User.objects.create(username="bystander")
    old, _ = Group.objects.bulk_create([Group(name="old"), Group(name="over")])

    def rename() -> Group:
        Group.objects.filter(name="over").delete()
        Group.objects.filter(pk=old.pk).update(name="new")
        return Group.objects.create(name="another")

    step = record(f"renamed_{uuid4().hex}", rename)
    Group.objects.filter(name="another").delete()
    Group.objects.filter(pk=old.pk).update(name="old")
    Group.objects.create(name="over", pk=old.pk + 1)
    return step


def test_tells_it_again_and_leaves_what_others_wrote(renamed: Step[Group]) -> None:
    User.objects.update(username="renamed by others")

    returned = renamed.tell()

    assert sorted(Group.objects.values_list("name", flat=True)) == ["another", "new"]
    assert Group.objects.get(name="another") == returned
    assert User.objects.get().username == "renamed by others"


def test_refuses_where_a_row_is_not_as_it_was(renamed: Step[Group]) -> None:
    Group.objects.filter(name="over").update(name="changed")

    with pytest.raises(Error, match='rows of "auth_group" have changed since'):
        renamed.tell()

    assert not Group.objects.filter(name="another").exists()


def test_returns_to_each_a_copy_of_its_own(renamed: Step[Group]) -> None:
    returned = renamed.tell()
    returned.name = "changed in memory"
    put_all_right()
    Group.objects.bulk_create(
        [Group(pk=returned.pk - 2, name="old"), Group(pk=returned.pk - 1, name="over")]
    )

    assert renamed.tell().name == "another"

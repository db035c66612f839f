"""What a transactional test leaves behind is gone, and what Django created is there again."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from config.testing.flush import put_all_right
from events.models import StoredEvent
from ledger.domain.action import Action, Kind, Target
from ledger.models import Entry
from ledger.recording import recorded

pytestmark = pytest.mark.django_db(transaction=True)


def laid_down() -> list[set[object]]:
    return [
        set(ContentType.objects.values_list("id", "app_label", "model")),
        set(Permission.objects.values_list("id", "name", "content_type_id", "codename")),
    ]


def test_what_was_laid_down_is_there_again_and_nothing_else() -> None:
    put_all_right()
    before = laid_down()
    assert all(before)
    for _ in range(2):  # What was put right once is looked after as it was before.
        Group.objects.create(name="left behind")
        Permission.objects.filter(codename__startswith="view_").delete()
        ContentType.objects.filter(model="entry").update(model="renamed")

        put_all_right()

        assert laid_down() == before
        assert not Group.objects.exists()


def test_one_row_in_the_place_of_another_is_noticed() -> None:
    put_all_right()
    before = laid_down()
    ContentType.objects.create(app_label="new", model="new")
    assert Permission.objects.filter(codename="view_group").delete()[0] == 1
    kind = ContentType.objects.get_for_model(Group)
    Permission.objects.create(codename="new", name="new", content_type=kind)

    put_all_right()

    assert laid_down() == before


def test_what_only_grows_is_emptied() -> None:
    action = Action(
        name="a.b", kind=Kind.EXECUTE, target=Target(type="t", id="1"), capability="product.update"
    )
    with recorded(action):
        pass
    assert Entry.objects.exists()

    put_all_right()

    assert not Entry.objects.exists()
    assert not StoredEvent.objects.exists()


def test_ids_never_begin_anew() -> None:
    # Else those of rows that were kept would be given to others.
    last = Group.objects.create(name="last").pk

    call_command("flush", verbosity=0, interactive=False)
    put_all_right()

    assert all(laid_down())
    assert Group.objects.create(name="next").pk == last + 1


def test_tables_are_emptied_although_every_connection_was_cut() -> None:
    put_all_right()
    Group.objects.create(name="left behind")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.rowcount >= 1

    put_all_right()

    assert not Group.objects.exists()

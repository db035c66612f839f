"""The log in the admin: everything can be seen, nothing can be touched, nothing is gathered."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from events.models import StoredEvent
from tests import trips
from tests.integration.ledger.conftest import grant
from tests.live import happen, written

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/admin/events/storedevent/"


@pytest.fixture
def staff(client: Client) -> Client:
    trips.declare()
    client.force_login(User.objects.create_superuser("root"))
    return client


def listed(client: Client, **query: str) -> str:
    response = client.get(EVENTS, query)
    assert response.status_code == 200
    return response.content.decode()


class TestEvents:
    def test_are_listed_newest_first_with_their_place(self, staff: Client) -> None:
        written(1, stream=("note", "first"))
        written(1, stream=("note", "second"))
        happen((("note", "third"), "note.torn"), sequenced=False)

        page = listed(staff)

        assert page.index("note/third/") < page.index("note/second/") < page.index("note/first/")
        assert "not yet" in page

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"name": "note.torn"}, ["note/b/"]),
            ({"kind": "trip"}, ["trip/c/"]),
            ({"category": "domain"}, ["note/a/", "note/b/", "trip/c/"]),
            ({"category": "internal"}, []),
            ({"source": "service"}, ["note/a/", "note/b/", "trip/c/"]),
            ({"source": "system"}, []),
            ({"recorded": "hour"}, ["note/a/", "note/b/", "trip/c/"]),
        ],
    )
    def test_can_be_filtered(
        self, staff: Client, query: dict[str, str], expected: list[str]
    ) -> None:
        happen((("note", "a"), "note.written"), (("note", "b"), "note.torn"))
        happen((("trip", "c"), "trip.leg-travelled"))

        page = listed(staff, **query)

        assert [name for name in ("note/a/", "note/b/", "trip/c/") if name in page] == expected

    def test_can_be_found_by_id(self, staff: Client) -> None:
        one, _ = happen((("note", "a"), "note.written"), (("note", "b"), "note.written"))

        page = listed(staff, q=one.event_id)

        assert "note/a/" in page
        assert "note/b/" not in page

    def test_show_their_data_escaped(self, staff: Client) -> None:
        written(1, text="<script>alert(1)</script>")

        page = staff.get(f"{EVENTS}{StoredEvent.objects.get().pk}/change/").content.decode()

        assert "<script>alert" not in page
        assert "&quot;text&quot;: &quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot;" in page

    def test_show_large_data_from_where_it_is(self, staff: Client) -> None:
        written(1, text="x" * 70_000)

        page = staff.get(f"{EVENTS}{StoredEvent.objects.get().pk}/change/").content.decode()

        assert "x" * 70_000 in page

    def test_listing_reads_no_data_and_counts_no_further_than_needed(self, staff: Client) -> None:
        written(3)
        with CaptureQueriesContext(connection) as queries:
            listed(staff, recorded="day", category="domain", kind="note")

        about_events = [q["sql"] for q in queries if '"events_event"' in q["sql"]]
        assert about_events
        assert not [sql for sql in about_events if '"events_event"."data"' in sql]
        assert not [sql for sql in about_events if "COUNT" in sql and "LIMIT" not in sql]
        assert not [sql for sql in about_events if "DISTINCT" in sql or "MIN(" in sql]


@pytest.mark.parametrize("model", list(apps.get_app_config("events").get_models()))
def test_no_table_of_the_log_can_be_changed(staff: Client, model: type[Model]) -> None:
    registered = admin.site._registry[model]
    request = staff.get("/admin/").wsgi_request

    assert registered.has_view_permission(request)
    assert not registered.has_add_permission(request)
    assert not registered.has_change_permission(request)
    assert not registered.has_delete_permission(request)
    opts = registered.model._meta
    assert staff.get(f"/admin/{opts.app_label}/{opts.model_name}/").status_code == 200
    assert staff.get(f"/admin/{opts.app_label}/{opts.model_name}/add/").status_code == 403


def test_every_table_of_the_log_is_there() -> None:
    models = set(apps.get_app_config("events").get_models())

    assert models <= set(admin.site._registry)


@pytest.mark.parametrize("model", list(apps.get_app_config("events").get_models()))
def test_the_log_is_opened_by_the_capability_and_not_by_what_django_grants(
    client: Client, model: type[Model]
) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="events"))
    client.force_login(clerk)
    page = f"/admin/events/{model._meta.model_name}/"

    assert client.get(page).status_code == 403

    grant(clerk, "event.read")
    assert client.get(page).status_code == 200

"""The log over HTTP: what is asked is checked, what is shown is allowed, nothing is missed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from guardian.shortcuts import assign_perm
from rest_framework.test import APIClient

from events import recorder, selectors, sequencer
from ledger import capabilities
from ledger.access import grants
from tests import trips
from tests.live import happen, written

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _trips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "_DECLARED", dict(capabilities._DECLARED))
    trips.declare()
    grants.provision()


def caller(*capability_ids: str, name: str = "carol") -> APIClient:
    user = User.objects.create_user(name)
    user.user_permissions.add(*Permission.objects.filter(codename__in=capability_ids))
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def reader() -> APIClient:
    return caller(trips.READ)


def problem_of(client: APIClient, url: str, **query: Any) -> tuple[int, str, list[str]]:
    response = client.get(url, query)
    body = response.json()
    named = [error["parameter"] for error in body.get("errors", [])]
    return response.status_code, body["code"], named


class TestEvents:
    def test_shows_the_envelope_as_every_consumer_sees_it(self, reader: APIClient) -> None:
        (written_one,) = written(1, text="hello")

        response = reader.get("/api/v1/events")

        expected = written_one.as_json()
        expected["metadata"]["position"] = 1
        assert response.json() == {"results": [expected], "next_after": 1, "head": 1}
        assert response["Cache-Control"] == "no-store"

    def test_pages_by_position(self, reader: APIClient) -> None:
        written(5)

        first = reader.get("/api/v1/events", {"limit": 2}).json()
        second = reader.get("/api/v1/events", {"limit": 2, "after": first["next_after"]}).json()
        last = reader.get("/api/v1/events", {"limit": 2, "after": second["next_after"]}).json()

        pages = [
            [one["metadata"]["position"] for one in p["results"]] for p in (first, second, last)
        ]
        assert pages == [[1, 2], [3, 4], [5]]
        assert last["next_after"] == last["head"] == 5

    def test_filters_by_streams_and_types(self, reader: APIClient) -> None:
        happen((("note", "1"), "note.written"), (("note", "1"), "note.torn"))
        happen((("note", "2"), "note.written"), (("trip", "2"), "trip.leg-travelled"))

        def positions(**query: Any) -> list[int]:
            page = reader.get("/api/v1/events", query).json()
            return [one["metadata"]["position"] for one in page["results"]]

        assert positions(stream="note") == [1, 2, 3]
        assert positions(stream="note/1") == [1, 2]
        assert positions(stream=["note/2", "trip"]) == [3, 4]
        assert positions(type="note.written") == [1, 3]
        assert positions(type=["note.*", "trip.leg-travelled"], stream="trip") == [4]

    def test_a_filtered_page_moves_on_to_the_head(self, reader: APIClient) -> None:
        written(3)

        page = reader.get("/api/v1/events", {"stream": "trip"}).json()

        assert page == {"results": [], "next_after": 3, "head": 3}

    def test_a_page_may_end_before_anything_matched(
        self, reader: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "SCANNED_POSITIONS_MAX", 2)
        written(3)

        page = reader.get("/api/v1/events", {"stream": "trip"}).json()

        assert page == {"results": [], "next_after": 2, "head": 3}

    def test_leaves_out_what_may_not_be_seen_and_moves_on(self) -> None:
        written(2, stream=("note", "carol"))
        written(2, stream=("note", "dave"))
        carol = caller()
        assign_perm("auth.view_user", *[User.objects.get(username="carol")] * 2)

        page = carol.get("/api/v1/events", {"limit": 3}).json()

        assert [one["metadata"]["stream"] for one in page["results"]] == [["note", "carol"]] * 2
        assert page["next_after"] == 3

    def test_an_element_of_a_path_may_hold_a_slash(self, reader: APIClient) -> None:
        written(1, stream=("note", "a/b"))

        page = reader.get("/api/v1/events", {"stream": f"note/{quote('a/b', safe='')}"}).json()

        assert [one["metadata"]["stream"] for one in page["results"]] == [["note", "a/b"]]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("after", "-1"),
            ("after", "x"),
            ("after", "1.5"),
            ("after", "٣"),
            ("after", str(2**63)),
            ("after", "9" * 5000),
            ("after", "1"),
            ("limit", "0"),
            ("limit", "1001"),
            ("stream", ""),
            ("stream", "note//1"),
            ("stream", "note/\0"),
            ("stream", "x" * 600),
            ("type", "note.unheard-of"),
            ("type", "Not A Name"),
            ("streams", "note"),
        ],
    )
    def test_refuses_values_that_make_no_sense(
        self, reader: APIClient, name: str, value: str
    ) -> None:
        assert problem_of(reader, "/api/v1/events", **{name: value}) == (400, "invalid", [name])

    def test_asks_for_a_credential(self) -> None:
        assert problem_of(APIClient(), "/api/v1/events")[:2] == (401, "not_authenticated")

    def test_misses_nothing_while_sixteen_write(self, reader: APIClient) -> None:
        writers, each = 16, 20
        seen: list[int] = []
        after, is_over = 0, False
        with ThreadPoolExecutor(writers) as pool:
            writing = [pool.submit(_write_slowly, number, each) for number in range(writers)]
            while not is_over:
                is_over = all(one.done() for one in writing) and not sequencer.sequence_once()
                sequencer.sequence_once()
                page = reader.get("/api/v1/events", {"after": after, "limit": 1000}).json()
                seen += [one["data"]["number"] for one in page["results"]]
                after = page["next_after"]

        assert [one.exception() for one in writing] == [None] * writers
        assert sorted(seen) == list(range(writers * each))


def _write_slowly(number: int, count: int) -> None:
    """Commit in another order than that of the ids."""
    try:
        for nth in range(count):
            with transaction.atomic():
                recorder.emit(
                    "note.written", {"number": number * count + nth}, stream=("note", str(number))
                )
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(%s)", [0.002 * (number % 4)])
    finally:
        connection.close()


class TestStreamEvents:
    def test_reads_one_stream_by_sequence(self, reader: APIClient) -> None:
        written(3, stream=("note", "1"))
        written(1, stream=("note", "1", "below"))

        page = reader.get("/api/v1/streams/note/1/events", {"after": 1, "limit": 1}).json()

        assert [one["metadata"]["sequence"] for one in page["results"]] == [2]
        assert (page["next_after"], page["head"]) == (2, 3)

    def test_hides_what_is_not_there_and_what_may_not_be_seen_alike(self) -> None:
        written(1, stream=("note", "1"))
        stranger = caller()

        assert problem_of(stranger, "/api/v1/streams/note/1/events")[:2] == (404, "not_found")
        assert problem_of(stranger, "/api/v1/streams/note/2/events")[:2] == (404, "not_found")
        assert problem_of(stranger, "/api/v1/streams/nothing/2/events")[:2] == (404, "not_found")

    def test_refuses_a_place_beyond_its_end(self, reader: APIClient) -> None:
        written(1, stream=("note", "1"))

        refused = problem_of(reader, "/api/v1/streams/note/1/events", after=2)

        assert refused == (400, "invalid", ["after"])


class TestEvent:
    def test_shows_one_event(self, reader: APIClient) -> None:
        (one,) = written(1)

        shown = reader.get(f"/api/v1/events/{one.event_id}").json()

        assert shown["metadata"]["eventId"] == one.event_id
        assert shown["metadata"]["position"] == 1

    def test_hides_it_from_who_may_not_see_it(self) -> None:
        (one,) = written(1)

        assert problem_of(caller(), f"/api/v1/events/{one.event_id}")[:2] == (404, "not_found")
        assert problem_of(caller(name="dave"), "/api/v1/events/evt_0")[:2] == (404, "not_found")


class TestEventTypes:
    def test_lists_the_catalogue(self) -> None:
        types = caller().get("/api/v1/event-types").json()["results"]

        assert [one["name"] for one in types] == sorted(one["name"] for one in types)
        note = next(one for one in types if one["name"] == "note.written")
        assert note == {
            "name": "note.written",
            "version": 1,
            "category": "domain",
            "meaning": "A test did something.",
            "stream": "note",
            "external": False,
            "redacted": [],
            "schema": trips.schema(),
        }


class TestSocketTickets:
    def test_are_for_those_who_have_a_credential(self) -> None:
        assert APIClient().post("/api/v1/ws-tickets").status_code == 401

        made = caller().post("/api/v1/ws-tickets")

        assert made.status_code == 201
        assert set(made.json()) == {"ticket", "expires_at"}
        assert made["Cache-Control"] == "no-store"

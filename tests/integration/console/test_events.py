"""What happened: who may see it, which part is asked for, and hostile contents."""

import html
import json
import re
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from console import addresses
from events import context
from events.domain.principal import SYSTEM, Principal, PrincipalKind
from tests.integration.console.conftest import Tell, Visitor
from tests.integration.console.reading import page_of, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(2)>{{7*7}}'
OVERRIDE = "pay 10 \u202e000 1 yap"


class TestListing:
    def test_asks_visitors_to_log_in_and_to_come_back(self, client: Client) -> None:
        response = client.get("/events?type=tale.begun")

        assert response["Location"] == "/login/?next=/events%3Ftype%3Dtale.begun"

    def test_refuses_those_who_may_read_nothing(self, visitor: Visitor, tell: Tell) -> None:
        assert "Permission denied" in page_of(visitor(), "/events", status=403)

    def test_shows_only_streams_that_the_visitor_may_read(
        self, visitor: Visitor, tell: Tell
    ) -> None:
        tell("tale.begun")
        tell("secret.kept", ("secret", "1"))

        assert rows_of(page_of(visitor("job.read"), "/events")) == ["tale.begun"]

    def test_refuses_to_look_into_a_stream_by_its_name(self, visitor: Visitor, tell: Tell) -> None:
        tell("secret.kept", ("secret", "1"))
        client = visitor("job.read")

        page_of(client, "/events?stream=secret/1", status=403)
        page_of(client, "/events/streams/secret/1", status=404)

    def test_shows_everything_to_readers_of_the_whole_log(
        self, visitor: Visitor, tell: Tell
    ) -> None:
        tell("tale.begun")
        tell("secret.kept", ("secret", "1"))

        shown = rows_of(page_of(visitor("event.read"), "/events"))

        assert shown == ["secret.kept", "tale.begun"]

    def test_keeps_to_the_filters_of_its_address(self, visitor: Visitor, tell: Tell) -> None:
        tell("tale.begun", ("tale", "1"))
        tell("tale.begun", ("tale", "2"))
        tell("tale.noted", ("tale", "2"))
        client = visitor("job.read")

        def shown(query: str) -> list[str]:
            return rows_of(page_of(client, f"/events?{query}"))

        assert shown("stream=tale/2") == ["tale.noted", "tale.begun"]
        assert shown("type=tale.noted") == ["tale.noted"]
        assert shown("type=tale.*&category=domain") == ["tale.begun", "tale.begun"]
        assert shown("since=1h") == ["tale.noted", "tale.begun", "tale.begun"]
        assert shown("until=2020-01-01T00:00Z") == []

    def test_tells_the_live_part_what_the_address_says(self, visitor: Visitor, tell: Tell) -> None:
        tell("tale.begun", ("tale", "2"))

        page = page_of(visitor("job.read"), "/events?stream=tale/2&type=tale.*")

        feed = dict(re.findall(r'data-(after|streams|names)="([^"]*)"', page))
        assert json.loads(html.unescape(feed["streams"])) == [["tale", "2"]]
        assert json.loads(html.unescape(feed["names"])) == [
            "tale.begun",
            "tale.ended",
            "tale.noted",
        ]
        assert int(feed["after"]) >= 1

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("since=yesterday-ish", "Give a duration"),
            ("until=2026-99-99", "Give a duration"),
            ("since=2026-01-31T18:00", "a time with its offset"),
            ("until=2026-01-31", "a time with its offset"),
            ("since=999999d", "Give a duration"),
            ("type=No Event", "Give a type such as invoice.settled"),
            ("stream=%00", "Null characters are not allowed"),
            ("category=gossip", "Select a valid choice"),
            (f"type={'a.b,' * 60}", "Up to 50 types"),
        ],
    )
    def test_marks_filters_that_cannot_be_used(
        self, visitor: Visitor, tell: Tell, query: str, says: str
    ) -> None:
        page = page_of(visitor("job.read"), f"/events?{query}", status=400)

        assert says in page
        assert 'aria-invalid="true"' in page

    @pytest.mark.parametrize("before", ["-1", "0", "9" * 30, "x"])
    def test_refuses_positions_that_cannot_be(
        self, visitor: Visitor, tell: Tell, before: str
    ) -> None:
        page_of(visitor("job.read"), f"/events?before={before}", status=400)

    def test_goes_back_page_by_page_without_loss(self, visitor: Visitor, tell: Tell) -> None:
        for number in range(60):
            tell("tale.begun", ("tale", str(number)))
        client = visitor("job.read")

        first = page_of(client, "/events?type=tale.begun")
        older = re.search(r'href="(\?[^"]*before=[^"]*)" rel="next"', first)
        assert older is not None
        second = page_of(client, "/events" + html.unescape(older[1]))

        assert len(rows_of(first)) == 50
        assert len(rows_of(second)) == 10
        assert 'rel="next"' not in second
        assert "not live" in second


class TestDetail:
    def test_shows_causes_and_effects_as_one_story(self, visitor: Visitor, tell: Tell) -> None:
        with context.acting(SYSTEM, correlation_id="cor_tale"):
            cause = tell("tale.begun")
        with context.acting(SYSTEM, correlation_id="cor_tale", causation_id=cause.event_id):
            effect = tell("tale.ended")
            tell("secret.kept", ("secret", "1"))

        page = page_of(visitor("job.read"), f"/events/{quote(cause.event_id)}")

        assert f'class="depth-1"><a data-row href="/events/{effect.event_id}"' in re.sub(
            r">\s+<", "><", page
        )
        assert "1 more of this story happened in streams that you may not read" in page
        assert "secret.kept" not in page

    def test_hides_that_an_event_exists(self, visitor: Visitor, tell: Tell) -> None:
        secret = tell("secret.kept", ("secret", "1"))
        client = visitor("job.read")

        hidden = page_of(client, f"/events/{secret.event_id}", status=404)
        unknown = page_of(client, "/events/evt_unknown", status=404)

        assert "<h1>Not found</h1>" in hidden
        assert "<h1>Not found</h1>" in unknown

    def test_never_lets_a_payload_become_markup(self, visitor: Visitor, tell: Tell) -> None:
        event = tell("tale.begun", text=HOSTILE, **{HOSTILE: 1})
        client = visitor("job.read")

        for address in ("/events", f"/events/{event.event_id}", "/events/streams/tale/1"):
            page = page_of(client, address)
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert "{{7*7}}" in html.unescape(page)

    def test_names_who_it_was(self, tell: Tell, visitor: Visitor) -> None:
        client = visitor("job.read")
        ada = Principal(kind=PrincipalKind.USER, id=str(User.objects.get(username="ada").pk))
        with context.acting(ada):
            event = tell("tale.begun")

        page = page_of(client, f"/events/{event.event_id}")

        assert f'<dd>ada <span class="mono quiet">{ada}</span></dd>' in page

    def test_shows_what_would_turn_the_line_around(self, visitor: Visitor, tell: Tell) -> None:
        event = tell("tale.begun", ("tale", OVERRIDE), text=OVERRIDE)

        page = page_of(visitor("job.read"), f"/events/{event.event_id}")

        assert "\u202e" not in page
        assert "pay 10 \\u202e000 1 yap" in html.unescape(page)

    def test_holds_a_long_text(self, visitor: Visitor, tell: Tell) -> None:
        event = tell("tale.begun", text="x" * 500_000)

        assert "x" * 500_000 in page_of(visitor("job.read"), f"/events/{event.event_id}")


class TestStream:
    def test_is_what_is_left_of_a_start_that_was_removed(
        self, visitor: Visitor, tell: Tell
    ) -> None:
        tell("flow_start.removed", ("flow_start", "nightly"), name="nightly", entry_id="e")
        client = visitor("flow.read")

        leads = client.get("/flows/starts/nightly")
        page = page_of(client, "/events/streams/flow_start/nightly")

        assert leads["Location"] == "/events/streams/flow_start/nightly"
        assert client.get("/flows/starts/never").status_code == 404
        assert rows_of(page) == ["flow_start.removed"]
        assert "Open flow start" not in page

    def test_is_found_whatever_its_name_holds(self, visitor: Visitor, tell: Tell) -> None:
        stream = ("tale", "a/b ~1 é", "..")
        tell("tale.begun", stream)
        tell("tale.begun", ("tale", "other"))

        page = page_of(visitor("job.read"), f"/events/streams/{addresses.path_of(stream)}")

        assert rows_of(page) == ["tale.begun"]
        assert "1 event so far" in page

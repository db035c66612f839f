"""Who may open a socket, what they are shown, and until when."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client as Browser
from django.utils import timezone
from guardian.shortcuts import assign_perm, remove_perm
from websockets.exceptions import InvalidStatus

from events import context, selectors
from events.domain.envelope import Stream
from events.domain.principal import SYSTEM
from ledger.models import ApiKey, Entry, SocketTicket
from ledger.services import agents, api_keys, delegations
from tests import trips
from tests.integration.events.fanout.conftest import make_key, make_user
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.live import Client, Server, eventually, is_event, sequence, visiting, written
from tests.support.full_ledger import ledger_that_is_full

pytestmark = pytest.mark.django_db(transaction=True)

JSON = "application/json"


@pytest.fixture(scope="module")
def watchful(committed: None) -> Iterator[Server]:
    """A server that checks credentials all the time."""
    server = Server(limits={"heartbeat_s": 0.2, "poll_s": 0.2, "recheck_s": 0.2})
    yield server
    server.stop()


def cookie_of(user: User) -> dict[str, str]:
    browser = Browser()
    browser.force_login(user)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}


def ticket_of(user: User) -> str:
    browser = Browser()
    browser.force_login(user)
    ticket: str = browser.post("/api/v1/ws-tickets", content_type=JSON).json()["ticket"]
    return ticket


def refusal(server: Server, secret: str | None = None, **options: object) -> tuple[int, str]:
    """Return how a handshake is refused."""
    with pytest.raises(InvalidStatus) as refused, visiting(server, secret, **options):  # type: ignore[arg-type]
        pass
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    assert ("WWW-Authenticate" in response.headers) == (response.status_code == 401)
    assert ("Retry-After" in response.headers) == (response.status_code == 503)
    code = response.body.decode().partition('"code":"')[2].partition('"')[0]
    return response.status_code, code


class TestHandshake:
    def test_takes_a_session_from_a_page_of_our_own(self, server: Server) -> None:
        cookie = cookie_of(make_user())
        origin = f"http://127.0.0.1:{server.port}"

        with visiting(server, headers=cookie, origin=origin) as client:
            assert client.subscribe()["type"] == "subscribed"

    @pytest.mark.parametrize(
        "origin",
        [
            None,
            "null",
            "https://evil.example",
            "http://127.0.0.1.evil.example:{port}",
            "http://evil.example/127.0.0.1:{port}",
            "https://127.0.0.1:{port}",
            "http://127.0.0.1:1",
            "http://127.0.0.1",
            "http://localhost:{port}",
            "http://user@127.0.0.1:{port}",
            "file://",
        ],
    )
    def test_refuses_a_session_from_anywhere_else(self, server: Server, origin: str | None) -> None:
        cookie = cookie_of(make_user())
        written_origin = origin and origin.format(port=server.port)

        assert refusal(server, headers=cookie, origin=written_origin) == (403, "origin_refused")

    def test_takes_a_key_without_asking_where_from(self, server: Server, secret: str) -> None:
        with visiting(server, secret, origin="https://elsewhere.example") as client:
            assert client.subscribe()["type"] == "subscribed"

    def test_a_key_does_not_excuse_a_foreign_page_with_our_cookie(
        self, server: Server, secret: str
    ) -> None:
        cookie = cookie_of(make_user())

        refused = refusal(server, secret, headers=cookie, origin="https://evil.example")

        assert refused == (403, "origin_refused")

    @pytest.mark.parametrize(
        ("headers", "query"),
        [
            ({}, ""),
            ({"Authorization": "Bearer nonsense"}, ""),
            ({"Authorization": "Basic YTpi"}, ""),
            ({"Authorization": "Bearer daybook_000000000000_" + "x" * 43}, ""),
            ({}, "?ticket=nonsense"),
            ({}, "?ticket=%ff%00"),
            ({}, "?token=daybook_000000000000_x"),
        ],
    )
    def test_refuses_who_shows_nothing_good(
        self, server: Server, headers: dict[str, str], query: str
    ) -> None:
        refused = refusal(server, headers=headers, query=query)

        assert refused == (401, "credential_refused")

    def test_refuses_a_session_that_has_ended(self, server: Server) -> None:
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}=never-was"}
        origin = f"http://127.0.0.1:{server.port}"

        assert refusal(server, headers=headers, origin=origin) == (401, "credential_refused")


class TestTicket:
    def test_opens_one_socket(self, server: Server, stream: Stream) -> None:
        ticket = ticket_of(make_user(trips.READ))
        with visiting(server, query=f"?ticket={ticket}") as client:
            client.subscribe("a", aggregate_ids=[list(stream)])
            written(1, stream)
            client.hear_events(1)

        again = refusal(server, query=f"?ticket={ticket}")

        assert again == (401, "credential_refused")

    def test_is_good_for_a_minute(self, server: Server) -> None:
        ticket = ticket_of(make_user())
        made = SocketTicket.objects.get()
        assert timedelta(seconds=55) < made.expires_at - timezone.now() < timedelta(seconds=60)
        SocketTicket.objects.update(expires_at=timezone.now())

        assert refusal(server, query=f"?ticket={ticket}") == (401, "credential_refused")
        ticket_of(make_user())
        assert SocketTicket.objects.count() == 1

    def test_is_as_good_as_the_key_that_asked_for_it(self, server: Server) -> None:
        secret, key_id = make_key(make_user(trips.READ))
        bearer = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
        ticket = Browser().post("/api/v1/ws-tickets", content_type=JSON, **bearer).json()["ticket"]  # type: ignore[arg-type]
        api_keys.revoke_api_key(key_id=key_id)

        assert refusal(server, query=f"?ticket={ticket}") == (401, "credential_refused")


class TestVisibility:
    def test_shows_only_what_may_be_read(self, server: Server, stream: Stream) -> None:
        user = make_user()
        mine, others = ("note", user.username), stream
        assign_perm("auth.view_user", user, user)
        with visiting(server, make_key(user)[0]) as client:
            answer = client.subscribe("a", include_state=True, aggregate_ids=[["note"], []])
            written(2, others)
            (seen,) = written(1, mine)
            (frame,) = client.hear_events(1)

        assert frame["metadata"]["eventId"] == seen.event_id
        assert [frame["id"] for frame in client.heard if is_event(frame)] == [list(mine)]
        assert answer["items"] == [{"id": [], "data": None, "sequence": 0}]

    def test_holds_for_the_past_as_well(self, server: Server, stream: Stream) -> None:
        written(3, stream)
        with visiting(server, make_key(make_user())[0]) as client:
            position = client.subscribe("a", after=0)["position"]
            client.hear(lambda frame: frame.get("after", 0) >= position)

        assert not [frame for frame in client.heard if is_event(frame)]

    def test_ends_with_the_grant(self, watchful: Server, stream: Stream) -> None:
        user = make_user()
        mine = ("note", user.username)
        assign_perm("auth.view_user", user, user)
        with visiting(watchful, make_key(user)[0]) as client:
            client.subscribe("a", aggregate_ids=[["note"]])
            assert _is_shown(client, mine)
            remove_perm("auth.view_user", user, user)

            eventually(lambda: not _is_shown(client, mine))
            assert not _is_shown(client, mine)


def _is_shown(client: Client, stream: Stream) -> bool:
    (one,) = written(1, stream)
    head = selectors.head_position()
    client.hear(lambda frame: frame["type"] == "heartbeat" and frame["after"] >= head)
    return one.event_id in str(client.heard)


def let_expire(key_id: UUID | str) -> None:
    """Move the end of a key into the past. Nobody may do that, so the guards look away."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        ApiKey.objects.filter(pk=key_id).update(expires_at=timezone.now())


class TestTheEndOfACredential:
    def test_a_revoked_key_closes_its_sockets_at_once(self, server: Server) -> None:
        secret, key_id = make_key(make_user(trips.READ))
        other, _ = make_key(make_user(trips.READ))
        with visiting(server, secret) as ended, visiting(server, other) as stays:
            ended.subscribe()
            stays.subscribe()
            api_keys.revoke_api_key(key_id=key_id)
            sequence()

            assert ended.hear_the_end() == (4401, "the credential has ended")
            written(1)
            stays.hear(lambda frame: frame["type"] == "note.written")

    @pytest.mark.parametrize("how", ["revoked", "stopped", "all stopped"])
    def test_a_stopped_agent_loses_its_sockets_at_once(self, server: Server, how: str) -> None:
        link = delegated(an_agent(make_user("event.read"), f"agent {how}"), "event.read")
        with visiting(server, key_of(link)) as client:
            client.subscribe()
            with context.acting(SYSTEM):
                if how == "revoked":
                    delegations.revoke_delegation(delegation_id=link.pk, reason="enough")
                elif how == "stopped":
                    agents.stop_agent(agent_id=link.agent_id, reason="enough")
                else:
                    agents.stop_all_agents(reason="enough")
            sequence()

            assert client.hear_the_end() == (4401, "the credential has ended")
        with context.acting(SYSTEM):
            agents.resume_all_agents(reason="the test is over")
        read = Entry.objects.filter(delegation_id=link.pk, capability_id="event.read")
        assert read.get().caller_type == "socket"

    def test_an_agent_watches_on_record_or_not_at_all(self, server: Server) -> None:
        link = delegated(an_agent(make_user("event.read"), "agent on record"), "event.read")
        secret = key_of(link)
        noted = Entry.objects.filter(delegation_id=link.pk, action_name="event.read")

        with ledger_that_is_full():
            assert refusal(server, secret) == (503, "ledger_unavailable")
        assert not noted.exists()
        with visiting(server, secret) as client:
            assert client.subscribe()["type"] == "subscribed"
            assert noted.get().caller_type == "socket"

    def test_an_agent_without_the_feed_in_its_scopes_gets_no_socket(self, server: Server) -> None:
        link = delegated(an_agent(make_user("event.read"), "agent without"), "booking.read")

        assert refusal(server, key_of(link)) == (403, "delegation_out_of_reach")

    def test_an_expired_key_closes_its_sockets_soon(self, watchful: Server) -> None:
        secret, key_id = make_key(make_user(trips.READ))
        with visiting(watchful, secret) as client:
            client.subscribe()
            let_expire(key_id)

            assert client.hear_the_end()[0] == 4401

    def test_logging_out_closes_the_sockets_of_the_session_soon(self, watchful: Server) -> None:
        browser = Browser()
        browser.force_login(make_user())
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={browser.session.session_key}"}
        origin = f"http://127.0.0.1:{watchful.port}"
        with visiting(watchful, headers=headers, origin=origin) as client:
            client.subscribe()
            browser.logout()

            assert client.hear_the_end()[0] == 4401

"""What surrounds a request: its id, its story, who acts, how often it may come."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import redis
import time_machine
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.db import connections
from django.test import AsyncClient, Client
from django.utils import timezone
from rest_framework.test import APIClient

from config.web import handlers
from events import context
from events.domain.context import EventContext
from events.domain.principal import ANONYMOUS
from ledger.access import counting
from tests.integration.api import sample
from tests.integration.ledger.conftest import client_with, issue

URL = "/api/v1/gadgets"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def seen(client: APIClient) -> list[EventContext]:
    """The context in which the service acted."""
    contexts: list[EventContext] = []
    sample.inside.append(lambda: contexts.append(context.current()))
    return contexts


class TestRequestId:
    @pytest.mark.parametrize("offered", ["7", "a-b_c.d:e/f=g+h", "x" * 100])
    def test_of_the_caller_is_kept(self, client: APIClient, offered: str) -> None:
        answer = client.get(URL, headers={"X-Request-ID": offered})

        assert answer["X-Request-ID"] == offered

    @pytest.mark.parametrize("offered", ["", "a b", "x" * 101, "a\r\nSet-Cookie: b", "ü", "<b>"])
    def test_that_is_none_is_replaced(self, client: APIClient, offered: str) -> None:
        answer = client.get(URL, headers={"X-Request-ID": offered})

        assert re.fullmatch(r"req_[0-9a-f]{32}", answer["X-Request-ID"])

    def test_is_on_pages_too(self, client: APIClient) -> None:
        assert client.get("/login/")["X-Request-ID"].startswith("req_")


@pytest.mark.parametrize(("address", "has_some"), [(URL, False), ("/login/", True)])
def test_only_pages_have_messages(client: APIClient, address: str, has_some: bool) -> None:  # noqa: FBT001
    answer: Any = client.get(address)

    assert hasattr(answer.wsgi_request, "_messages") is has_some


class TestContext:
    def test_names_the_key_that_acts(
        self, client: APIClient, seen: list[EventContext], secret: str
    ) -> None:
        answer = client.post(URL, {"name": "bolt"})

        [acted] = seen
        assert str(acted.principal) == f"api_key:{secret.split('_')[1]}"
        assert acted.causation_id == answer["X-Request-ID"]
        assert acted.correlation_id.startswith("cor_")

    def test_names_the_user_of_a_session(self, alice: User, seen: list[EventContext]) -> None:
        browser = Client()
        browser.force_login(alice)
        browser.post(URL, {"name": "bolt"}, content_type="application/json")

        assert [str(acted.principal) for acted in seen] == [f"user:{alice.pk}"]

    def test_names_the_key_also_when_a_session_came_along(
        self, alice: User, seen: list[EventContext], client: APIClient, secret: str
    ) -> None:
        client.force_login(alice)
        client.post(URL, {"name": "bolt"})

        assert [acted.principal.kind for acted in seen] == ["api_key"]

    def test_takes_the_story_from_the_trace(
        self, client: APIClient, seen: list[EventContext]
    ) -> None:
        client.post(
            URL, {"name": "bolt"}, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        )

        assert seen[0].correlation_id == f"cor_{TRACE}"

    @pytest.mark.parametrize(
        "trace",
        ["", "x", f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{TRACE.upper()}-b7ad6b7169203331-01"],
    )
    def test_makes_up_a_story_when_the_trace_is_none(
        self, client: APIClient, seen: list[EventContext], trace: str
    ) -> None:
        client.post(URL, {"name": "bolt"}, headers={"traceparent": trace})

        assert seen[0].correlation_id != f"cor_{TRACE}"
        assert re.fullmatch(r"cor_[0-9a-f]{32}", seen[0].correlation_id)

    def test_is_gone_after_the_request(self, client: APIClient) -> None:
        client.post(URL, {"name": "bolt"})

        assert context.in_force() is None


@pytest.mark.django_db(transaction=True)
class TestUnderAsgi:
    @pytest.fixture
    async def site(self, settings: Any, secret: str) -> AsyncIterator[httpx2.AsyncClient]:
        settings.WEB_THREADS = 1
        app: Any = handlers.Handler()
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
        await sync_to_async(connections.close_all)()
        app.threads.submit(connections.close_all).result()

    async def test_a_request_acts_and_is_repeated_as_under_wsgi(
        self, site: httpx2.AsyncClient, secret: str, seen: list[EventContext]
    ) -> None:
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"}

        first = await site.post(URL, json={"name": "bolt"}, headers=headers)
        again = await site.post(URL, json={"name": "bolt"}, headers=headers)

        assert first.status_code == 201
        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"
        assert str(seen[0].principal) == f"api_key:{secret.split('_')[1]}"
        assert context.in_force() is None

    async def test_a_session_acts_in_its_users_name(
        self, site: httpx2.AsyncClient, alice: User, seen: list[EventContext]
    ) -> None:
        browser = AsyncClient()
        await browser.aforce_login(alice)
        site.cookies.update({name: one.value for name, one in browser.cookies.items()})
        await site.get("/login/")
        token = site.cookies["csrftoken"]

        await site.post(URL, json={"name": "bolt"}, headers={"X-CSRFToken": token})

        assert [str(acted.principal) for acted in seen] == [f"user:{alice.pk}"]


class TestConditionalRead:
    def test_of_what_the_caller_has_is_304(self, client: APIClient) -> None:
        gadget = Group.objects.create(name="bolt")
        address = f"{URL}/{gadget.pk}"

        first = client.get(address)
        again = client.get(address, headers={"If-None-Match": '"4"'})
        other = client.get(address, headers={"If-None-Match": '"3"'})

        assert first["ETag"] == '"4"'
        assert (again.status_code, again.content) == (304, b"")
        assert other.status_code == 200

    def test_of_what_has_moved_is_a_problem(self, client: APIClient) -> None:
        gadget = Group.objects.create(name="bolt")

        answer = client.get(f"{URL}/{gadget.pk}", headers={"If-Match": '"3"'})

        assert (answer.status_code, answer.json()["code"]) == (412, "version_moved")
        assert answer["Content-Type"] == "application/problem+json"


class TestManners:
    def test_options_lists_the_methods_to_everybody(self, client: APIClient) -> None:
        for caller in (client, APIClient()):
            answer = caller.options(URL)

            assert (answer.status_code, answer.content) == (200, b"")
            assert {"GET", "POST", "OPTIONS"} <= set(answer["Allow"].split(", "))

    def test_a_blank_accept_asks_for_nothing_in_particular(self, client: APIClient) -> None:
        answer = client.get(URL, headers={"Accept": ""})

        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")

    def test_an_answer_is_kept_for_one_caller_and_asked_for_again(self, client: APIClient) -> None:
        for answer in (client.get(URL), client.get("/login/")):
            assert {"private", "no-store"} & set(answer["Cache-Control"].split(", "))
            assert {"Authorization", "Cookie"} <= set(answer["Vary"].split(", "))
        assert client.get(URL)["Cache-Control"] == "private, no-cache"

    def test_who_shows_a_key_alone_is_not_looked_for_in_a_session(
        self, client: APIClient, alice: User
    ) -> None:
        by_key = client.get(URL)
        client.force_login(alice)
        with_session = client.get(URL)

        assert not by_key.wsgi_request.session.accessed
        assert with_session.wsgi_request.session.accessed
        assert (by_key.status_code, with_session.status_code) == (200, 200)


class TestThrottle:
    @pytest.fixture(autouse=True)
    def _two_in_a_minute_that_does_not_end(self, settings: Any) -> Iterator[None]:
        settings.API_REQUESTS_PER_MINUTE = {"api_key": 2, "user": 2, "anonymous": 1}
        # A count of its own for each test; clearing the cache would clear the broker's database.
        fresh = {**settings.CACHES["default"], "KEY_PREFIX": uuid4().hex}
        settings.CACHES = {"default": fresh}
        with time_machine.travel(timezone.now(), tick=False):
            yield

    def test_counts_and_says_so(self, client: APIClient) -> None:
        answer = client.get(URL)

        assert answer["RateLimit-Policy"] == '"caller";q=2;w=60'
        assert re.fullmatch(r'"caller";r=1;t=\d+', answer["RateLimit"])

    def test_refuses_the_third(self, client: APIClient) -> None:
        for _ in range(2):
            assert client.get(URL).status_code == 200

        answer = client.get(URL)

        assert answer.status_code == 429
        assert answer.json()["code"] == "throttled"
        assert 1 <= int(answer["Retry-After"]) <= 60
        assert answer["RateLimit"].startswith('"caller";r=0;')

    def test_counts_each_caller_apart(self, client: APIClient, alice: User) -> None:
        for _ in range(3):
            client.get(URL)

        assert client_with(issue(alice, ["*"])[0]).get(URL).status_code == 200

    def test_counts_strangers_by_address(self, client: APIClient) -> None:
        answers = [APIClient().post("/api/v1/open", {}, REMOTE_ADDR="192.0.2.1") for _ in range(2)]
        other = APIClient().post("/api/v1/open", {}, REMOTE_ADDR="192.0.2.2")

        assert [answer.status_code for answer in answers] == [401, 429]
        assert other.status_code == 401

    def test_does_not_believe_a_stranger_who_says_to_come_from_elsewhere(
        self, client: APIClient
    ) -> None:
        answers = [
            APIClient().post(
                "/api/v1/open",
                {},
                REMOTE_ADDR="192.0.2.1",
                HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
            )
            for number in range(2)
        ]

        assert [answer.status_code for answer in answers] == [401, 429]

    def test_lets_everybody_through_when_the_cache_is_away(
        self, client: APIClient, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "unix:///nowhere/valkey.sock",
            }
        }

        answers = [client.get(URL) for _ in range(3)]

        assert {answer.status_code for answer in answers} == {200}
        assert "the cache does not answer" in caplog.text

    def test_goes_on_counting_when_valkey_has_closed_the_connection(
        self, client: APIClient, settings: Any
    ) -> None:
        client.get(URL)
        ours = counting._asked("CLIENT", "ID")
        with redis.Redis.from_url(settings.CACHES["default"]["LOCATION"]) as valkey:
            assert valkey.client_kill_filter(_id=ours) == 1

        assert client.get(URL)["RateLimit"].startswith('"caller";r=0;')


class TestAnonymous:
    def test_acts_as_nobody(self, client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        acted: list[Any] = []

        def note(*, name: str) -> None:
            acted.append(context.current().principal)

        monkeypatch.setattr(sample, "make_gadget", note)
        APIClient().post("/api/v1/open", {})

        assert acted == [ANONYMOUS]

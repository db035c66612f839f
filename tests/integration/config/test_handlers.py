"""Requests under ASGI: each on one thread of a few that stay, streams piece by piece."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from django.core.signals import request_finished
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from config.web import handlers

pytestmark = pytest.mark.django_db(transaction=True)


def who(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return HttpResponse(f"{threading.current_thread().name} {cursor.fetchone()[0]}")


def let_go(request: HttpRequest) -> HttpResponse:
    connections.close_all()
    return HttpResponse()


def lines(request: HttpRequest) -> StreamingHttpResponse:
    def made() -> Iterator[str]:
        for number in range(10):
            progress.append(number)
            yield f"{number}".ljust(handlers.PIECE_BYTES // 2)

    return StreamingHttpResponse(made())


def waits(request: HttpRequest) -> HttpResponse:
    arrived.release()
    assert gate.wait(60), "nobody lets it go on"
    return HttpResponse("waited")


urlpatterns = [path(view.__name__, view) for view in (who, let_go, lines, waits)]
progress: list[int] = []
arrived, gate = threading.Semaphore(0), threading.Event()

Site = Callable[..., handlers.Handler]


@pytest.fixture
def site(settings: Any) -> Site:
    settings.ROOT_URLCONF = __name__
    progress.clear()
    gate.clear()

    def made(threads: int = 1) -> handlers.Handler:
        settings.WEB_THREADS = threads
        return handlers.Handler()

    return made


def asking(handler: handlers.Handler) -> httpx2.AsyncClient:
    app: Any = handler
    transport = httpx2.ASGITransport(app=app)
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


class TestRequest:
    async def test_has_a_thread_that_stays_with_its_connection(self, site: Site) -> None:
        async with asking(site()) as client:
            first, again = (await client.get("/who")).text, (await client.get("/who")).text
            await client.get("/let_go")

        assert first == again
        assert first.startswith("request")

    async def test_waits_for_a_thread(self, site: Site) -> None:
        async with asking(site(threads=1)) as client:
            waiting = asyncio.create_task(client.get("/waits"))
            await asyncio.to_thread(arrived.acquire)
            other = asyncio.create_task(client.get("/who"))
            gate.set()
            answers = [await waiting, await other]
            await client.get("/let_go")

        assert [answer.status_code for answer in answers] == [200, 200]

    async def test_that_waits_holds_up_no_other_while_there_are_threads(self, site: Site) -> None:
        async with asking(site(threads=2)) as client:
            waiting = asyncio.create_task(client.get("/waits"))
            await asyncio.to_thread(arrived.acquire)
            other = await client.get("/let_go")
            gate.set()
            await waiting

        assert other.status_code == 200

    async def test_whose_body_is_still_sent_holds_no_thread(self, site: Site) -> None:
        handler = site(threads=1)
        is_sent, messages = asyncio.Event(), list[Any]()

        async def send(message: Any) -> None:
            messages.append(message)

        slow = asyncio.create_task(handler(_scope("/let_go"), _body(after=is_sent), send))
        async with asking(handler) as client:
            other = await client.get("/let_go")
        is_sent.set()
        await slow

        assert other.status_code == 200
        assert messages[0]["status"] == 200

    async def test_is_told_to_be_finished(self, site: Site) -> None:
        finished: list[object] = []

        def note(**_signal: Any) -> None:
            finished.append(1)

        request_finished.connect(note)
        try:
            async with asking(site()) as client:
                await client.get("/let_go")
        finally:
            request_finished.disconnect(note)

        assert len(finished) == 1


class TestStream:
    async def test_is_sent_while_it_is_made(self, site: Site) -> None:
        made_before: list[int] = []
        sent = bytearray()

        async def send(message: Any) -> None:
            if body := message.get("body"):
                made_before.append(len(progress))
                sent.extend(body)

        await asyncio.wait_for(site()(_scope("/lines"), _body(), send), 60)

        assert made_before == [2, 4, 6, 8, 10]
        assert len(sent) == 5 * handlers.PIECE_BYTES

    async def test_whose_reader_is_slow_holds_no_thread(self, site: Site) -> None:
        handler = site(threads=1)
        is_read, has_begun = asyncio.Event(), asyncio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                has_begun.set()
                await is_read.wait()

        slow = asyncio.create_task(handler(_scope("/lines"), _body(), send))
        await has_begun.wait()
        async with asking(handler) as client:
            other = await client.get("/let_go")
        is_read.set()
        await asyncio.wait_for(slow, 60)

        assert other.status_code == 200


def _body(*, after: asyncio.Event | None = None) -> Any:
    """Return a client that sends an empty body, and stays."""
    left = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if after is not None:
            await after.wait()
        return left.pop() if left else await asyncio.Event().wait()

    return receive


def _scope(address: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": address,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }

"""Calls over real sockets: what goes out, what comes back, and redirects."""

import pytest

from tests.integration.workflows.egress.conftest import Names
from tests.peers import receiver
from workflows.egress import client
from workflows.egress.client import Call
from workflows.egress.refusals import EgressFailed, EgressRefused

pytestmark = pytest.mark.usefixtures("loopback_allowed")


def get(url: str, *, redirects_max: int = 0) -> client.Answer:
    return client.send(Call(method="GET", url=url, redirects_max=redirects_max))


class TestSend:
    def test_sends_what_it_was_given_and_reports_what_came_back(self) -> None:
        with receiver((418, {"X-Pot": "tea", "content-type": "text/plain"}, b"short")) as peer:
            answer = client.send(
                Call(method="POST", url=peer.url, headers={"X-Token": "t"}, body=b'{"a": 1}')
            )

        assert answer.status == 418
        assert answer.headers["x-pot"] == "tea"
        assert answer.body == b"short"
        assert not answer.is_truncated
        assert answer.url == peer.url
        (received,) = peer.received
        assert received.method == "POST"
        assert received.path == "/hook"
        assert received.body == b'{"a": 1}'
        assert received.headers["x-token"] == "t"
        assert received.headers["host"] == f"127.0.0.1:{peer.port}"

    def test_carries_no_cookie_from_one_call_to_the_next(self) -> None:
        with receiver((200, {"set-cookie": "sid=1; Path=/"}, b"")) as peer:
            get(peer.url)
            get(peer.url)

        assert ["cookie" in received.headers for received in peer.received] == [False, False]

    def test_ignores_the_proxies_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")

        with receiver() as peer:
            assert get(peer.url).status == 204

    def test_keeps_a_connection_for_the_next_call(self, connections: list[object]) -> None:
        with receiver() as peer:
            get(peer.url)
            get(peer.url)

        assert len(peer.received) == 2
        assert len(connections) == 1

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("x-a", "1\r\nx-evil: 1"),
            ("x-a", "1\n"),
            ("x-a", "nul\x00"),
            ("x-a", "☃"),
            ("x a", "1"),
            ("x-a:", "1"),
            ("", "1"),
            ("Host", "internal.example"),
            ("Content-Length", "0"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "upgrade"),
        ],
    )
    def test_refuses_headers_that_would_change_the_request(self, name: str, value: str) -> None:
        with receiver() as peer, pytest.raises(EgressRefused):
            client.send(Call(method="GET", url=peer.url, headers={name: value}))

        assert peer.received == []

    def test_sends_headers_beyond_ascii_as_they_are(self) -> None:
        with receiver() as peer:
            client.send(Call(method="GET", url=peer.url, headers={"X-Name": "Zo\xeb"}))

        assert peer.received[0].headers["x-name"] == "Zo\xeb"

    @pytest.mark.parametrize("method", ["", "GET /admin HTTP/1.1\r\nX: y", "GE T"])
    def test_refuses_a_method_that_would_change_the_request(self, method: str) -> None:
        with receiver() as peer, pytest.raises(EgressRefused):
            client.send(Call(method=method, url=peer.url))

        assert peer.received == []

    def test_says_when_nobody_listens(self) -> None:
        with receiver() as peer:
            url = peer.url

        with pytest.raises(EgressFailed) as failure:
            get(url)

        assert str(failure.value) == "The call failed: it does not accept connections."
        assert failure.value.error_class == "network"

    def test_says_when_a_name_does_not_resolve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise OSError("Name or service not known")

        monkeypatch.setattr("socket.getaddrinfo", unknown)

        with pytest.raises(EgressFailed, match="its name cannot be resolved"):
            get("https://nowhere.example/")

    def test_tries_the_next_address_when_one_does_not_answer(self, names: Names) -> None:
        with receiver() as peer:
            names["two.example"] = [["127.0.0.99", "127.0.0.1"]]

            assert get(f"http://two.example:{peer.port}/").status == 204


class TestRedirects:
    def test_are_an_answer_unless_the_caller_wants_them_followed(self) -> None:
        with receiver((302, {"location": "/elsewhere"}, b"")) as peer:
            assert get(peer.url).status == 302

    def test_are_followed_at_most_three_times(self) -> None:
        step = (302, {"location": "/on"}, b"")
        with receiver(step, step, step, (200, {}, b"there")) as peer:
            assert get(peer.url, redirects_max=3).body == b"there"
        with receiver(step) as loop, pytest.raises(EgressRefused, match="more than 3 times"):
            get(loop.url, redirects_max=99)

        assert len(loop.received) == 4

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/",
            "//10.0.0.1/",
            "http://2130706433.example@10.0.0.1/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_FLUSHALL",
            "http://[::1]/",
            "http://127.0.0.1:1\r\nx: y/",
        ],
    )
    def test_are_checked_like_the_first_address(
        self, location: str, connections: list[tuple[str, int]]
    ) -> None:
        reply = (307, {"location": location.replace("\r\n", " ")}, b"")
        with receiver(reply) as peer, pytest.raises(EgressRefused):
            get(peer.url, redirects_max=3)

        assert connections == [("127.0.0.1", peer.port)]

    def test_keep_method_and_body_or_are_not_followed(self) -> None:
        with receiver((307, {"location": "/moved"}, b""), (200, {}, b"")) as kept:
            client.send(Call(method="POST", url=kept.url, body=b"{}", redirects_max=1))
        with receiver((302, {"location": "/moved"}, b"")) as changed:
            answer = client.send(Call(method="POST", url=changed.url, body=b"{}", redirects_max=1))

        assert [(r.method, r.path, r.body) for r in kept.received] == [
            ("POST", "/hook", b"{}"),
            ("POST", "/moved", b"{}"),
        ]
        assert answer.status == 302
        assert len(changed.received) == 1

    def test_never_take_an_effect_to_another_origin(self) -> None:
        with receiver() as other, receiver((307, {"location": other.url}, b"")) as first:
            answer = client.send(Call(method="POST", url=first.url, body=b"{}", redirects_max=3))

        assert answer.status == 307
        assert other.received == []

    def test_leave_credentials_behind_when_they_change_the_origin(self) -> None:
        with receiver() as other:
            reply = (307, {"location": other.url}, b"")
            with receiver(reply) as first:
                client.send(
                    Call(
                        method="GET",
                        url=first.url,
                        headers={
                            "Authorization": "Bearer s",
                            "Cookie": "c",
                            "X-Trace": "t",
                            "X-Receipt": "r",
                        },
                        redirects_max=1,
                        confidential=frozenset({"X-Receipt"}),
                    )
                )

        assert first.received[0].headers["authorization"] == "Bearer s"
        assert "authorization" not in other.received[0].headers
        assert "cookie" not in other.received[0].headers
        assert "x-receipt" not in other.received[0].headers
        assert other.received[0].headers["x-trace"] == "t"

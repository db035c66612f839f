"""The demo peers, served from a thread of the test process."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from examples.demo_peers import server
from examples.demo_peers.payments import Mailbox
from examples.demo_peers.peer import Answer, Call, Peer

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, no").decode()


class Peers:
    """Handles to what other people's systems have seen, and to their moods."""

    def __init__(self, base_url: str, peers: list[Peer]) -> None:
        self.settings: dict[str, Any] = {
            **server.environment(base_url),
            "COMMERCE_PAYMENT_WEBHOOK_SECRETS": [SECRET],
        }
        self.payment, self.mail, self.cms = peers[:3]  # The others serve flows.

    def reset(self) -> None:
        for peer in (self.payment, self.mail, self.cms):
            self.tell(peer, reset=True)

    def tell(self, peer: Peer, **orders: Any) -> None:
        """Give a peer orders, as its `/control` would."""
        answer: Answer = peer.answer(Call("POST", ("control",), orders, ""))
        assert answer.status == 200

    def seen(self, peer: Peer) -> dict[str, Any]:
        seen: dict[str, Any] = peer.answer(Call("GET", ("control",), None, "")).body
        return seen

    @property
    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.seen(self.mail)["messages"]
        return found


@contextmanager
def served() -> Iterator[Peers]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    peers = server.all_peers(mailbox=Mailbox(secret=SECRET))
    thread = threading.Thread(target=server.serve, args=(listener, peers), daemon=True)
    thread.start()
    yield Peers(f"http://127.0.0.1:{listener.getsockname()[1]}", peers)

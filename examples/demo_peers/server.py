"""Serve the demo peers over HTTP, one thread per connection, each under its own name."""

import json
import socket
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from examples.demo_peers.cms import Cms
from examples.demo_peers.mail import Mail
from examples.demo_peers.payments import Mailbox, Payments
from examples.demo_peers.peer import NOT_FOUND, Answer, Call, Peer
from examples.demo_peers.steps import Cards, Notices, Seats, Tickets

BODY_BYTES_MAX = 4 * 1024 * 1024
STEPS_URL = "DEMO_STEPS_URL"
"""Where the step services are: /seats, /cards, /tickets and /notices under it."""
NOTIFY_URL = "DEMO_NOTIFY_URL"
"""Where the payment provider tells what its customers' banks did."""
NOTIFY_SECRETS = "COMMERCE_PAYMENT_WEBHOOK_SECRETS"
"""With which secrets it may sign that; it takes the first."""


def all_peers(*, settle_after_s: float | None = None, mailbox: Mailbox | None = None) -> list[Peer]:
    """Return one of each. What the payment provider has to tell goes to `mailbox`."""
    trade = [Payments(settle_after_s=settle_after_s, mailbox=mailbox), Mail(), Cms()]
    return [*trade, Seats(), Cards(), Tickets(), Notices()]


def environment(base_url: str) -> dict[str, str]:
    """Return the settings that make Daybook find the peers at `base_url`."""
    return {
        "COMMERCE_PAYMENT_URL": f"{base_url}/payment",
        "COMMERCE_MAIL_URL": f"{base_url}/mail",
        "COMMERCE_CMS_URL": f"{base_url}/cms",
        STEPS_URL: base_url,
    }


def mailbox_of(environment: Mapping[str, str]) -> Mailbox | None:
    """Return where the payment provider's messages go; None if nobody shares a secret with it."""
    known = environment.get(NOTIFY_SECRETS, "").replace(",", " ").split()
    return Mailbox(secret=known[0], url=environment.get(NOTIFY_URL, "")) if known else None


def serve(listener: socket.socket, peers: Iterable[Peer]) -> None:
    """Answer requests on a listening socket until the process ends."""
    by_name = {peer.name: peer for peer in peers}
    address = listener.getsockname()
    server = _Server(address, _handler(by_name), bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(peers: Mapping[str, Peer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet per answer: two would wait for each other's acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do(self) -> None:
            name, *path = [unquote(part) for part in urlsplit(self.path).path.split("/") if part]
            peer = peers.get(name)
            self._send(self._answer(peer, tuple(path)) if peer else NOT_FOUND)

        do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815 - the base class looks for these.

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's.
            """Say nothing: what was asked can be read at /control."""

        def _answer(self, peer: Peer, path: tuple[str, ...]) -> Answer:
            try:
                size = int(self.headers.get("Content-Length") or 0)
                if size > BODY_BYTES_MAX:
                    self.close_connection = True
                    return Answer(413, {"error": "too large"})
                body = json.loads(self.rfile.read(size)) if size else None
                key = self.headers.get("Idempotency-Key") or ""
                webhook = self.headers.get("Argyll-Webhook-URL") or ""
                return peer.answer(Call(self.command, path, body, key, webhook))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                return Answer(400, {"error": f"{type(error).__name__}: {error}"})

        def _send(self, answer: Answer) -> None:
            text = b"" if answer.body is None else json.dumps(answer.body).encode()
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.type)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # The caller did not wait for a slow answer.

    return Handler

"""TLS is checked against the name that was asked for, not the address connected to."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.workflows.egress.conftest import Names
from workflows.egress import client
from workflows.egress.client import Call
from workflows.egress.refusals import EgressFailed, EgressRefused

pytestmark = pytest.mark.usefixtures("loopback_allowed")

HOUR = timedelta(hours=1)


def certificate(
    folder: Path, name: str, *, file: str = "receiver.pem", good_for: timedelta = HOUR
) -> Path:
    """Write a self-signed certificate for `name` with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - 2 * HOUR)
        .not_valid_after(now + good_for)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / file
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/down" else 200)
        self.send_header("location", "http://127.0.0.1/")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class QuietServer(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that rejects our certificate is what some tests are about."""


@pytest.fixture
def asked_for() -> list[str | None]:
    return []


@pytest.fixture
def port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_for: list[str | None]
) -> Iterator[int]:
    """Serve https for receiver.example, trusted by this process."""
    pem = certificate(tmp_path, "receiver.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    client.forget_connections()
    with serving(pem, asked_for) as number:
        yield number


@contextmanager
def serving(pem: Path, asked_for: list[str | None]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    server = QuietServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def get(url: str, *, redirects_max: int = 0) -> client.Answer:
    return client.send(Call(method="GET", url=url, https_only=True, redirects_max=redirects_max))


def test_the_name_is_sent_and_verified_although_we_connect_to_an_address(
    port: int, names: Names, asked_for: list[str | None]
) -> None:
    names["receiver.example"] = [["127.0.0.1"]]

    assert get(f"https://receiver.example:{port}/").status == 200
    assert asked_for == ["receiver.example"]


def test_a_certificate_for_another_name_is_not_accepted(port: int, names: Names) -> None:
    names["other.example"] = [["127.0.0.1"]]

    with pytest.raises(EgressFailed, match=r"\(Hostname mismatch, .* 'other.example'\)"):
        get(f"https://other.example:{port}/")


@pytest.mark.parametrize(
    ("good_for", "trusted", "why"),
    [
        (-HOUR, "receiver.pem", "certificate has expired"),
        (HOUR, "another.pem", "self.signed certificate"),  # OpenSSL 1.1 has no hyphen.
    ],
)
def test_a_certificate_that_is_no_good_is_not_accepted_and_its_owner_told_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: Names,
    good_for: timedelta,
    trusted: str,
    why: str,
) -> None:
    theirs = certificate(tmp_path, "receiver.example", good_for=good_for)
    certificate(tmp_path, "another.example", file="another.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / trusted))
    client.forget_connections()
    names["receiver.example"] = [["127.0.0.1"]]

    with (
        serving(theirs, []) as port,
        pytest.raises(EgressFailed, match=rf"TLS: CERTIFICATE_VERIFY_FAILED \({why}\)\.$"),
    ):
        get(f"https://receiver.example:{port}/")


def test_a_redirect_from_https_to_http_is_refused(port: int, names: Names) -> None:
    names["receiver.example"] = [["127.0.0.1"]]

    with pytest.raises(EgressRefused, match="redirects from https to http"):
        get(f"https://receiver.example:{port}/down", redirects_max=3)

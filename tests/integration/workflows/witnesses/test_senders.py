"""Checkpoints on their way to witnesses, over real sockets. The bucket checks signatures itself."""

import base64
import hashlib
import hmac
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from pytest_django import Settings

from events import context
from events.domain.principal import SYSTEM
from ledger.domain.action import Action, Kind, Target
from ledger.invariants.seals import witnesses_agree
from ledger.models import Witness
from ledger.recording import recorded
from ledger.sealing import seals, witnesses
from ledger.services import seals as services
from tests.peers import Received, Receiver, receiver
from workflows.egress import client
from workflows.witnesses import checks, conf, senders

pytestmark = pytest.mark.django_db(transaction=True)

ACCESS_KEY, SECRET_KEY = "AKTEST", "a-secret-that-nobody-sees"
TOKEN = "t0ken-that-nobody-sees"
FIRST = "checkpoint-000000000001.json"


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> Iterator[None]:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    settings.LEDGER_WITNESS_S3_REGION = "eu-north-1"
    settings.LEDGER_WITNESS_S3_ACCESS_KEY = ACCESS_KEY
    settings.LEDGER_WITNESS_S3_SECRET_KEY = SECRET_KEY
    settings.LEDGER_WITNESS_TOKENS = [f"127.0.0.1={TOKEN}"]
    client.forget_connections()
    yield
    client.forget_connections()


@pytest.fixture
def sealed() -> bytes:
    """One entry under one checkpoint, and what a witness keeps of that."""
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    with context.acting(SYSTEM), recorded(action):
        pass
    services.seal_entries()
    last = seals.latest()
    assert last is not None
    return witnesses.document_of(last)


def url_of(peer: Receiver) -> str:
    return f"http://127.0.0.1:{peer.port}/seals"


def copied_to(url: str, **options: Any) -> Witness:
    with override_settings(LEDGER_WITNESSES=[url], **options):
        witnesses.copy_checkpoints()
    return Witness.objects.get(url=url)


class TestAWebServer:
    def test_gets_a_checkpoint_under_its_name_with_its_token(self, sealed: bytes) -> None:
        with receiver() as peer:
            witness = copied_to(url_of(peer))

        [got] = peer.received
        assert (got.method, got.path, got.body) == ("PUT", f"/seals/{FIRST}", sealed)
        assert got.headers["authorization"] == f"Bearer {TOKEN}"
        assert got.headers["if-none-match"] == "*"
        assert (witness.number, witness.error) == (1, "")

    def test_that_refuses_is_asked_again_at_the_next_turn(self, sealed: bytes) -> None:
        with receiver((503, {}, b"<Code>SlowDown</Code>"), (201, {}, b"")) as peer:
            failed = copied_to(url_of(peer))
            assert (failed.number, failed.error) == (
                0,
                "OSError: The witness answered 503 (SlowDown).",
            )
            assert failed.failed_at is not None

            witness = copied_to(url_of(peer))

        assert (witness.number, witness.error) == (1, "")
        assert [each.path for each in peer.received] == [f"/seals/{FIRST}"] * 2

    def test_that_redirects_is_not_followed(self, sealed: bytes) -> None:
        with receiver() as other, receiver((307, {"location": other.url}, b"")) as peer:
            witness = copied_to(url_of(peer))

        assert witness.error == "OSError: The witness answered 307."
        assert other.received == []

    def test_in_the_house_is_out_of_reach_unless_its_network_is_allowed(
        self, sealed: bytes, settings: Settings
    ) -> None:
        settings.HTTP_ALLOW = []
        with receiver() as peer:
            witness = copied_to(url_of(peer))

        assert peer.received == []
        assert witness.error.startswith("OSError: The call was refused")

    def test_that_is_silent_is_left_after_the_deadline(
        self, sealed: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(senders, "DEADLINE_SECONDS", 0.0)
        with receiver() as peer:
            witness = copied_to(url_of(peer))

        assert "deadline" in witness.error

    def test_that_has_it_already_is_content_and_one_that_has_another_is_not(
        self, sealed: bytes
    ) -> None:
        with receiver((412, {}, b""), (200, {}, sealed)) as peer:
            assert copied_to(url_of(peer)).number == 1
        assert [each.method for each in peer.received] == ["PUT", "GET"]

        Witness.objects.all().delete()
        with receiver((412, {}, b""), (200, {}, b"{}\n")) as peer:
            witness = copied_to(url_of(peer))

        assert witness.number == 0
        assert witness.error == f"AnotherIsKept: It keeps a different {FIRST}."

    def test_that_breaks_off_keeps_no_other_one(self, sealed: bytes) -> None:
        cut = {"content-length": str(len(sealed)), "connection": "close"}
        with receiver((412, {}, b""), (200, cut, sealed[:-9])) as peer:
            witness = copied_to(url_of(peer))

        assert witness.number == 0
        assert witness.error.startswith("OSError: The witness broke off its answer")


class TestABucket:
    @pytest.fixture
    def peer(self, settings: Settings) -> Iterator[Receiver]:
        with receiver() as serving:
            settings.LEDGER_WITNESS_S3_URL = f"http://127.0.0.1:{serving.port}"
            yield serving

    def test_gets_a_checkpoint_under_a_signature_that_holds(
        self, sealed: bytes, peer: Receiver
    ) -> None:
        witness = copied_to("s3://proofs/day book")

        [got] = peer.received
        assert (got.method, got.path) == ("PUT", f"/proofs/day%20book/{FIRST}")
        assert got.body == sealed
        assert is_signed(got, SECRET_KEY)
        assert not is_signed(got, "another")
        assert (witness.number, witness.error) == (1, "")

    def test_is_asked_to_keep_it_if_that_is_set(
        self, sealed: bytes, peer: Receiver, settings: Settings
    ) -> None:
        settings.LEDGER_WITNESS_S3_LOCK_DAYS = 30

        copied_to("s3://proofs")

        [got] = peer.received
        assert got.headers["x-amz-object-lock-mode"] == "COMPLIANCE"
        assert got.headers["x-amz-object-lock-retain-until-date"].endswith("Z")
        md5 = hashlib.md5(sealed, usedforsecurity=False).digest()
        assert base64.b64decode(got.headers["content-md5"]) == md5
        assert is_signed(got, SECRET_KEY)

    def test_that_refuses_is_quoted_by_its_code_only(self, sealed: bytes, peer: Receiver) -> None:
        peer.replies[:] = [(403, {}, b"<Code>AccessDenied</Code><Secret>x</Secret>")]

        witness = copied_to("s3://proofs")

        assert witness.error == "OSError: The witness answered 403 (AccessDenied)."

    def test_is_asked_under_a_signature_too(self, sealed: bytes, peer: Receiver) -> None:
        copied_to("s3://proofs")
        peer.replies[:] = [(200, {}, sealed), (404, {}, b"<Code>NoSuchKey</Code>")]

        with override_settings(LEDGER_WITNESSES=["s3://proofs"]):
            assert witnesses.contradictions() == []

        _, first, beyond = peer.received
        assert (first.method, first.path) == ("GET", f"/proofs/{FIRST}")
        assert beyond.path.endswith("2.json")
        assert is_signed(first, SECRET_KEY)

    def test_without_credentials_is_an_error_at_the_start(self, settings: Settings) -> None:
        settings.LEDGER_WITNESSES = ["s3://proofs"]
        assert checks.buckets_have_credentials() == []

        settings.LEDGER_WITNESS_S3_SECRET_KEY = ""

        [error] = checks.buckets_have_credentials()
        assert error.id == "witnesses.E001"


class TestATokenOfAHost:
    def test_is_found_however_the_host_is_written(self, settings: Settings) -> None:
        settings.LEDGER_WITNESS_TOKENS = [f"Proofs.Example.org={TOKEN}"]

        # A URL gives its host in small letters.
        assert conf.token_of("proofs.example.org") == TOKEN
        assert conf.token_of("proofs.example.com") == ""

    @pytest.mark.parametrize("written", [TOKEN, f"={TOKEN}", "proofs.example.org="])
    def test_that_would_never_be_sent_is_an_error_at_the_start(
        self, settings: Settings, written: str
    ) -> None:
        assert checks.tokens_name_their_host() == []

        settings.LEDGER_WITNESS_TOKENS = [f"proofs.example.org={TOKEN}", written]

        [error] = checks.tokens_name_their_host()
        assert error.id == "witnesses.E002"
        assert error.msg.startswith("1 of ")
        assert TOKEN not in str(error)


class TestTheDoctor:
    @pytest.mark.parametrize(
        ("replies", "found"),
        [
            ([(404, {}, b"")], "does not have checkpoint 1 any more"),
            ([(200, {}, b"{}")], "has another checkpoint 1 than this database"),
            ([(403, {}, b"")], None),
            ([(200, {"content-length": "9", "connection": "close"}, b"{}")], None),
        ],
    )
    def test_hears_what_a_witness_says(
        self, sealed: bytes, replies: list[tuple[int, dict[str, str], bytes]], found: str | None
    ) -> None:
        with receiver() as peer:
            copied_to(url_of(peer))
            peer.replies[:] = [*replies, (404, {}, b"")]
            with override_settings(LEDGER_WITNESSES=[url_of(peer)]):
                violations = witnesses_agree()

        where = "http://127.0.0.1/seals"
        assert violations == ([f"{where} {found}"] if found else [])


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:hush@example.org/seals",
        "https://example.org/seals?token=hush",
        "https://example.org/seals#hush",
        "s3://AK:hush@proofs",
        "https:///hush",
        "ftp://example.org/hush",
        "https://[hush",
    ],
)
def test_a_url_that_could_carry_a_secret_is_refused_before_anything_is_kept(
    sealed: bytes, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), override_settings(LEDGER_WITNESSES=[url]):
        assert witnesses.copy_checkpoints() == 0

    assert not Witness.objects.exists()
    assert "A witness is refused." in caplog.messages
    assert ":hush" not in caplog.text
    assert "=hush" not in caplog.text


def test_no_secret_is_in_a_row_or_a_log(sealed: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), receiver((500, {}, TOKEN.encode())) as peer:
        witness = copied_to(url_of(peer))

    assert TOKEN not in caplog.text
    assert TOKEN not in str(vars(witness))


def is_signed(got: Received, secret: str) -> bool:
    """Check a request as the service would, from nothing but what arrived."""
    fields = got.headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    parts = dict(each.split("=", 1) for each in fields)
    access_key, *place = parts["Credential"].split("/")
    assert access_key == ACCESS_KEY
    assert place[1:] == ["eu-north-1", "s3", "aws4_request"]
    names = parts["SignedHeaders"].split(";")
    assert {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names)
    assert got.method == "GET" or {"content-type", "if-none-match"} <= set(names)
    assert hashlib.sha256(got.body).hexdigest() == got.headers["x-amz-content-sha256"]
    lines = [got.method, got.path, ""]
    lines += [f"{name}:{got.headers[name].strip()}" for name in names]
    lines += ["", ";".join(names), got.headers["x-amz-content-sha256"]]
    request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    date = got.headers["x-amz-date"]
    signed = f"AWS4-HMAC-SHA256\n{date}\n{'/'.join(place)}\n{request}"
    key = b"AWS4" + secret.encode()
    for part in place:
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.new(key, signed.encode(), "sha256").hexdigest()
    return hmac.compare_digest(expected, parts["Signature"])

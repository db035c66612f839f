import pytest

from workflows.work.domain.redaction import (
    ERROR_CHARS_MAX,
    STACK_CHARS_MAX,
    redact,
    short_error,
    short_stack,
)


class TestRedact:
    @pytest.mark.parametrize(
        "secret",
        [
            "Authorization: Bearer {}",
            "postgresql://user:{}@db/name",
            "password={}",
            "GET /x?token={}&y=1",
            "api_key={}",
            '{{"access_token": "{}"}}',
            "{{'client_secret': '{}'}}",
        ],
    )
    def test_blots_out_what_looks_like_a_secret(self, secret: str) -> None:
        assert "c4n4ry-s3cr3t" not in redact(secret.format("c4n4ry-s3cr3t"))

    @pytest.mark.parametrize(
        "secret",
        [
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "daybook_0a1b2c3d4e5f_abcdefghijklmnopqrstuvwxyz012345",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
        ],
    )
    def test_knows_keys_by_their_looks(self, secret: str) -> None:
        assert redact(f"got {secret} there") == "got [redacted] there"

    def test_knows_an_address_by_its_looks(self) -> None:
        assert redact("no mailbox <ada.l+x@mail.example.com>") == "no mailbox <[redacted]>"

    def test_leaves_the_rest(self) -> None:
        text = "Booking 42 is not confirmed: tokens are fine, a@b too."

        assert redact(text) == text

    def test_makes_it_text_that_postgresql_takes(self) -> None:
        assert redact("a\x00b\ud800c") == "a\N{REPLACEMENT CHARACTER}b?c"


class TestShortening:
    def test_keeps_the_beginning_of_an_error(self) -> None:
        assert short_error("a" * 10_000) == "a" * ERROR_CHARS_MAX

    def test_keeps_the_end_of_a_stack(self) -> None:
        assert short_stack("a" * 100_000 + "cause").endswith("cause")
        assert len(short_stack("a" * 100_000)) == STACK_CHARS_MAX

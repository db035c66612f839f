"""From which pages a socket may be opened."""

import pytest
from pytest_django import Settings

from ledger.access import handshakes
from ledger.access.handshakes import OriginRefused

TRUSTED = ["https://shop.example.com", "https://*.example.org"]


@pytest.fixture(autouse=True)
def _some_other_sites_are_trusted(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["book.example.net"]
    settings.CSRF_TRUSTED_ORIGINS = TRUSTED


def is_let_in(origin: bytes, *, host: bytes = b"book.example.net") -> bool:
    headers = [(b"host", host), (b"origin", origin)]
    scope = {
        "type": "websocket",
        "path": "/ws",
        "scheme": "wss",
        "query_string": b"",
        "headers": headers,
    }
    try:
        handshakes.check_caller(scope)
    except OriginRefused:
        return False
    return True


@pytest.mark.parametrize(
    "origin",
    [
        b"https://book.example.net",
        b"https://shop.example.com",
        b"https://any.example.org",
        b"https://more.than.one.example.org",
    ],
)
def test_a_page_of_ours_or_of_a_trusted_site_opens_one(origin: bytes) -> None:
    assert is_let_in(origin)


@pytest.mark.parametrize(
    "origin",
    [
        b"http://book.example.net",
        b"http://any.example.org",
        b"https://example.org.evil.example",
        b"https://notexample.org",
        b"https://other.example.com",
        b"https://*.example.org:99999999999999999999",
        b"https://[",
        b"null",
        b"",
    ],
)
def test_no_other_page_does(origin: bytes) -> None:
    assert not is_let_in(origin)


def test_none_does_under_a_name_that_is_not_ours() -> None:
    assert not is_let_in(b"https://evil.example", host=b"evil.example")

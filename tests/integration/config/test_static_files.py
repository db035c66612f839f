"""Static files that change, or go, under a process that serves them."""

from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.web.static_files import StaticFiles

# Whoever sends a file has finished a request, and looks after connections.
pytestmark = pytest.mark.django_db


@pytest.fixture
def script(tmp_path: Path) -> Path:
    script = tmp_path / "script.js"
    script.write_text("let a = 1;")
    return script


@pytest.fixture
def serving(script: Path) -> StaticFiles:
    serving = StaticFiles(lambda _request: HttpResponse(status=404))
    serving.add_files(str(script.parent), prefix="/here/")
    return serving


def asked(**headers: str) -> HttpRequest:
    return RequestFactory().get("/here/script.js", headers=headers)


def test_one_that_was_changed_is_sent_as_it_is_now(script: Path, serving: StaticFiles) -> None:
    before = serving(asked())

    script.write_text("let a = 1; let b = 2;")

    after = serving(asked(if_none_match=before["ETag"]))
    assert isinstance(after, HttpResponse)
    assert after.content == b"let a = 1; let b = 2;"
    assert after["Content-Length"] == "21"


def test_one_that_was_not_changed_is_not_sent_again(serving: StaticFiles) -> None:
    before = serving(asked())

    assert serving(asked(if_none_match=before["ETag"])).status_code == 304


def test_one_that_is_gone_is_not_found(script: Path, serving: StaticFiles) -> None:
    script.unlink()

    assert serving(asked()).status_code == 404

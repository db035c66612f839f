"""Every list of the API, asked as nobody should ask: by a hostile client, or a broken one.

What is odd is dealt to the lists, some to each, so that each meets several of them; a soak asks
every list everything.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from rest_framework.test import APIClient

from config.testing.flush import put_all_right
from tests.integration.ledger.conftest import client_with, issue
from tests.support import api_description

pytestmark = pytest.mark.django_db

ID = "0190a1b2-0000-7000-8000-000000000000"
NOON = "2026-01-01T12:00:00+00:00"


def lists() -> dict[str, list[str]]:
    """Return the parameters of what is asked by page, by its path."""
    found = {
        path: [each["name"] for each in methods["get"].get("parameters", ())]
        for path, methods in api_description.paths().items()
        if "get" in methods and "{" not in path
    }
    return {path: names for path, names in found.items() if {"page_size", "limit"} & {*names}}


LISTS = lists()


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NO_CURSORS = [
    "",
    "x",
    "=" * 8,
    "a" * 100_000,
    "٣",
    cursor(None),
    cursor([]),
    cursor({"n": 1}),
    cursor(["n", []]),
    cursor(["x", [NOON, ID]]),
    cursor([["n"], [NOON, ID]]),
    cursor([{}, [NOON, ID]]),
]
"""What is refused before anybody looks which columns it is about: at every list alike."""

CURSORS = [
    cursor(["n", [None, None]]),
    cursor(["n", [{}, {}]]),
    cursor(["n", [[], []]]),
    cursor(["n", [True, False]]),
    cursor(["n", ["a\0", "b"]]),
    cursor(["n", ["a\ud800", "b"]]),
    cursor(["n", [10**15, 10**15]]),
    cursor(["n", [1e308, -1e308]]),
    cursor(["n", [-1, -1]]),
    cursor(["n", ["0001-01-01T00:00:00+23:59", ID]]),
    cursor(["n", ["9999-12-31T23:59:59-23:59", ID]]),
    cursor(["p", ["2026-01-01T00:00:00", ID]]),
    cursor(["p", ["2026-02-30T00:00:00Z", ID]]),
    cursor(["n", [NOON]]),
    cursor(["n", [NOON, ID, ID]]),
    cursor(["n", ["x", "x"]]),
    cursor(["n", ["x"]]),
    cursor(["n", [10**15]]),
]

TIMES = [
    "2026-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-23:59",
    "2026-01-01T00:00:00 00:00",
    "2026-01-01T24:00:00Z",
    "2026-01-01T23:59:60Z",
    "2026-02-30",
    "-2026-01-01T00:00:00Z",
    "٢٠٢٦-01-01",
    "now",
    "1e400",
    "a\0b",
]

HEADERS = [
    {"If-None-Match": "*"},
    {"If-None-Match": '"x"'},
    {"If-None-Match": "x\xff"},
    {"If-Modified-Since": "never"},
    {"Accept-Language": "xx, *;q=nonsense"},
    {"Accept-Language": "x" * 10_000},
    {"Accept-Encoding": "gzip;q=nonsense, br"},
    {"Range": "bytes=0-1"},
    {"Accept": ""},
]


@pytest.fixture(scope="module")
def secret(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A key for the whole file: what a test does with it is taken back."""
    with django_db_blocker.unblock():
        yield issue(User.objects.create_superuser("root"), ["*"])[0]
        put_all_right()


@pytest.fixture
def root(secret: str, caplog: pytest.LogCaptureFixture) -> Iterator[APIClient]:
    yield client_with(secret)
    # There is a net behind us: what falls into it is answered well, and is a fault of ours.
    assert "PostgreSQL refused" not in caplog.text


Deal = Callable[[Sequence[Any], int], Sequence[Any]]


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.soak)], ids=["some", "all"])
def deal(request: pytest.FixtureRequest, path: str) -> Deal:
    """Return a function that gives so many of the values, with each call and each list others."""
    if request.param:
        return lambda values, _number: values
    turn = [*LISTS].index(path)

    def some(values: Sequence[Any], number: int) -> Sequence[Any]:
        nonlocal turn
        first, turn = turn * number, turn + 1
        return [values[each % len(values)] for each in range(first, first + number)]

    return some


def summary(answer: HttpResponseBase) -> str:
    return f"{answer.status_code} {getattr(answer, 'content', b'')[:200]!r}"


def test_there_are_lists_to_be_asked() -> None:
    assert len(LISTS) > 25


@pytest.mark.parametrize("odd", NO_CURSORS, ids=lambda odd: odd[:16])
def test_what_is_no_cursor_is_refused(root: APIClient, odd: str) -> None:
    answer = root.get("/api/v1/ledger/entries", {"cursor": odd})

    assert answer.status_code == 400, summary(answer)
    assert [each["parameter"] for each in answer.json()["errors"]] == ["cursor"]


@pytest.mark.parametrize("path", LISTS)
class TestLists:
    def test_refuse_every_cursor_that_is_none_of_theirs(
        self, root: APIClient, path: str, deal: Deal
    ) -> None:
        wrong = {}
        if "cursor" in LISTS[path]:
            for odd in deal(CURSORS, 9):
                answer = root.get(path, {"cursor": odd})
                if answer.status_code not in {200, 400, 422}:
                    wrong[odd[:60]] = summary(answer)

        assert wrong == {}

    def test_refuse_sizes_and_places_out_of_bounds(
        self, root: APIClient, path: str, deal: Deal
    ) -> None:
        names = {"page_size", "limit"} & {*LISTS[path]}
        sizes = ("0", "1000000", "-1", "1.5", "٣", "")
        asked = [(name, odd) for name in names for odd in deal(sizes, 2)]
        if "after" in LISTS[path]:
            asked += [("after", odd) for odd in ("-1", str(10**30), "x", "a\0")]
        answers = {(name, odd): root.get(path, {name: odd}) for name, odd in asked}

        assert {
            pair: summary(each)
            for pair, each in answers.items()
            if each.status_code != 400 or each["Content-Type"] != "application/problem+json"
        } == {}

    def test_answer_or_refuse_every_time_and_never_fail(
        self, root: APIClient, path: str, deal: Deal
    ) -> None:
        names = [name for name in LISTS[path] if name.endswith(("_after", "_before"))]
        asked = [(name, odd) for name in names for odd in deal(TIMES, 3)]
        answers = {(name, odd): root.get(path, {name: odd}) for name, odd in asked}

        assert {
            pair: summary(each)
            for pair, each in answers.items()
            if each.status_code not in {200, 400}
        } == {}

    def test_answer_odd_values_of_every_filter(
        self, root: APIClient, path: str, deal: Deal
    ) -> None:
        wrong: dict[Any, Any] = {}
        for name in LISTS[path]:
            # The first is what PostgreSQL takes for no text: whoever forgets a filter fails by it.
            for odd in ("a\0b", *deal(("\N{GRINNING FACE}", "x" * 20_000, "[]"), 1)):
                answer = root.get(path, {name: odd})
                if answer.status_code >= 500:
                    wrong[name, odd[:20]] = summary(answer)

        assert wrong == {}

    def test_answer_who_asks_for_the_head_only_without_a_body(
        self, root: APIClient, path: str
    ) -> None:
        needed = {"target": "booking:x"} if "target" in LISTS[path] else {}
        got, headed = root.get(path, needed), root.head(path, needed)

        assert (headed.status_code, headed.content) == (got.status_code, b"")
        assert headed["Content-Type"] == got["Content-Type"]

    def test_mind_no_headers_that_ask_for_what_there_is_not(
        self, root: APIClient, path: str, deal: Deal
    ) -> None:
        for headers in deal(HEADERS, 3):
            answer = root.get(path, headers=headers)
            assert answer.status_code in {200, 304, 400}, (headers, summary(answer))

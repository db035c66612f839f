"""Pages by cursor: nothing twice, nothing missed, whatever is inserted meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from rest_framework.test import APIClient

from ledger.models import ApiKey
from tests.integration.ledger.conftest import client_with, grant, issue

URL = "/api/v1/gadgets"


def walk(client: APIClient, address: str, direction: str = "next") -> list[list[Any]]:
    pages = []
    following: str | None = address
    while following:
        page = client.get(following).json()
        pages.append([row.get("name") for row in page["results"]])
        following = page[direction]
    return pages


def gadgets(*numbers: int) -> None:
    for number in numbers:
        Group.objects.create(name=f"{number}")


class TestPages:
    def test_of_nothing_are_one_empty_page(self, client: APIClient) -> None:
        assert client.get(URL).json() == {"next": None, "previous": None, "results": []}

    def test_forwards_have_every_row_once(self, client: APIClient) -> None:
        gadgets(1, 2, 3, 4, 5)

        assert walk(client, f"{URL}?page_size=2") == [["5", "4"], ["3", "2"], ["1"]]

    def test_that_are_full_exactly_have_no_empty_one_behind_them(self, client: APIClient) -> None:
        gadgets(1, 2, 3, 4)

        assert walk(client, f"{URL}?page_size=2") == [["4", "3"], ["2", "1"]]

    def test_backwards_have_the_same_rows_in_the_same_order(self, client: APIClient) -> None:
        gadgets(1, 2, 3, 4, 5)
        second = client.get(client.get(f"{URL}?page_size=2").json()["next"]).json()
        last = client.get(second["next"]).json()

        assert [row["name"] for row in last["results"]] == ["1"]
        assert walk(client, last["previous"], "previous") == [["3", "2"], ["5", "4"]]

    def test_are_not_shifted_by_what_is_inserted_meanwhile(self, client: APIClient) -> None:
        gadgets(1, 2, 3)
        first = client.get(f"{URL}?page_size=2").json()
        gadgets(4, 5)

        assert [row["name"] for row in client.get(first["next"]).json()["results"]] == ["1"]

    def test_keep_the_filters_they_began_with(self, client: APIClient) -> None:
        gadgets(1, 2, 3, 4)
        third = Group.objects.get(name="2").pk

        assert walk(client, f"{URL}?page_size=2&at_least={third}") == [["4", "3"], ["2"]]

    def test_tell_rows_apart_that_differ_by_a_microsecond_or_by_nothing(self, alice: User) -> None:
        """Keys are ordered by (-created_at, -id)."""
        grant(alice, "api_key.read")
        client = client_with(issue(alice, ["*"], name="newest")[0])
        noon = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
        for offset, name in [(0, "a"), (0, "b"), (1, "c"), (1, "d"), (2, "e")]:
            _, id_ = issue(alice, ["*"], name=name)
            ApiKey.objects.filter(pk=id_).update(
                created_at=noon + timedelta(microseconds=offset),
                expires_at=noon + timedelta(days=300),
            )

        pages = walk(client, "/api/v1/api-keys?page_size=1")

        assert [name for [name] in pages] == ["newest", "e", "d", "c", "b", "a"]

    def test_have_links_that_can_be_followed(self, client: APIClient) -> None:
        gadgets(1, 2)

        link = client.get(f"{URL}?page_size=1").json()["next"]

        assert link.startswith(f"http://testserver{URL}?")
        assert "cursor=" in link

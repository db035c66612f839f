from uuid import UUID

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, URLResolver, include, path
from django.urls.resolvers import RoutePattern

from config.web.addresses import by_first_segment

LAMP = UUID("018f0000-0000-7000-8000-000000000001")


def lamps(_request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


def lamp(_request: HttpRequest, lamp_id: UUID) -> HttpResponse:
    raise NotImplementedError


def lampshades(_request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


APPS = [
    path("", include([path("lamps", lamps, name="lamps"), path("lamps/<uuid:lamp_id>", lamp)])),
    path("", include([path("lampshades", lampshades), path("lamps/all", lamps)])),
]
SHOP = URLResolver(RoutePattern("shop/"), by_first_segment(APPS))


class TestByFirstSegment:
    @pytest.mark.parametrize(
        ("address", "view", "route"),
        [
            ("shop/lamps", lamps, "lamps"),
            (f"shop/lamps/{LAMP}", lamp, "lamps/<uuid:lamp_id>"),
            ("shop/lamps/all", lamps, "lamps/all"),
            ("shop/lampshades", lampshades, "lampshades"),
        ],
    )
    def test_finds_every_view(self, address: str, view: object, route: str) -> None:
        found = SHOP.resolve(address)

        assert (found.func, found.route) == (view, route)

    def test_hands_on_what_the_address_says(self) -> None:
        assert SHOP.resolve(f"shop/lamps/{LAMP}").kwargs == {"lamp_id": LAMP}

    def test_writes_addresses_as_before(self) -> None:
        assert SHOP.reverse("lamps") == "lamps"

    @pytest.mark.parametrize("address", ["shop/lamp", "shop/", "shop/lamps/", "shop/lampshades/1"])
    def test_finds_nothing_where_nothing_is(self, address: str) -> None:
        with pytest.raises(Resolver404):
            SHOP.resolve(address)

    def test_asks_only_what_begins_alike(self) -> None:
        with pytest.raises(Resolver404) as nowhere:
            SHOP.resolve("shop/lampshades/1")

        asked = [str(tried[-1].pattern) for tried in nowhere.value.args[0]["tried"]]
        assert asked == ["lampshades"]

    def test_refuses_what_could_begin_with_anything(self) -> None:
        with pytest.raises(AssertionError, match="could begin with anything"):
            by_first_segment([path("<slug:name>/lamps", lamps)])

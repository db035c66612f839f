"""Who looks at what is private is on record first: at every address, also at those to come.

Everything private has a mark (`marked`). A walk asks for every address (`walk`) and looks for
the marks in what comes back: where there is one, an entry must say so, with reason and fields,
nothing may be stored on the way, and without the entry there is no value.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, path
from pytest_django import Settings

from commerce.services import bookings, travellers
from commerce.services.bookings import SeatRequest
from config import urls
from events.ids import new_id
from ledger import readings, tools
from ledger.access.authority import public
from ledger.invariants.entries import disclosures_name_fields
from ledger.models import Agent, Entry
from ledger.privacy import payloads, subjects
from tests.integration.commerce.api import marked, requests, walk
from tests.integration.commerce.api.marked import World
from tests.integration.commerce.api.walk import Call
from tests.integration.commerce.conftest import MakeBooking, bill
from tests.integration.ledger.conftest import client_with
from tests.support.full_ledger import ledger_that_is_full
from workflows.egress import client as egress

pytestmark = pytest.mark.django_db(transaction=True)

WHY = {"Access-Reason": "a walk through the house"}

OF_BOOKING = "api/v1/bookings/<uuid:pk>"
TRAVELLERS = "api/v1/bookings/<uuid:booking_id>/travellers"
STEPS = {
    "hold": [],
    "await-payment": [],
    "confirm": [],
    "start": ["confirm"],
    "complete": ["confirm", "start"],
    "cancel": [],
    "expire": ["hold"],
    "override": ["confirm", "start"],
}
"""What is done to a booking, after what."""

SHOWN_FOR_A_REASON = {
    f"GET {OF_BOOKING}",
    "POST api/v1/bookings",
    f"PATCH {OF_BOOKING}",
    *(f"POST {OF_BOOKING}/{step}" for step in STEPS),
    f"GET {TRAVELLERS}",
    f"POST {TRAVELLERS}",
    f"GET {TRAVELLERS}/<uuid:pk>",
    f"PATCH {TRAVELLERS}/<uuid:pk>",
    "GET api/v1/ledger/payloads/<uuid:payload_id>",
}
SHOWN_WITH_OR_WITHOUT = {
    # By a link, which sends no header: who looks is on record all the same.
    "GET api/v1/documents/<uuid:pk>/content",
}
SHOWN_ONCE = {
    "POST api/v1/api-keys",
    "POST api/v1/api-keys/<uuid:pk>/rotate",
    "POST api/v1/ledger/delegations/<uuid:pk>/keys/issue",
    "POST api/v1/webhooks/subscriptions",
    "POST api/v1/webhooks/subscriptions/<uuid:pk>/rotate-secret",
}


@pytest.fixture
def world(
    settings: Settings,
    make_booking: MakeBooking,
    peers: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    booking = make_booking(contact=marked.CONTACT)
    # Half of what a page of the admin takes is the list of all others beside it: names of
    # models only, which its front page shows as well.
    monkeypatch.setattr(admin.site, "enable_nav_sidebar", False)
    yield marked.build(booking, bill(booking))
    egress.forget_connections()


class Walker:
    """Asks for an address as somebody who may see everything, and judges what comes back."""

    def __init__(self, world: World, *, says_why: bool = True) -> None:
        self.world = world
        self.headers = WHY if says_why else {}
        self._bodies = requests.bodies(world)
        self._browser: Client | None = None
        self.statuses: dict[str, int] = {}
        """How each address answered, by name."""

    def prepared(self, call: Call) -> Call:
        """Return the call to a booking of its own, as it has to be for the step."""
        step = call.route.removeprefix(f"{OF_BOOKING}/")
        if step not in STEPS:
            return call
        slot = self.world.booking.items.get().slot_id
        wanted = [SeatRequest(slot_id=slot, quantity=1)]
        booking = bookings.create_booking(requested=wanted, pax=1, contact=marked.CONTACT)
        for before in STEPS[step]:
            getattr(bookings, f"{before}_booking")(booking_id=booking.pk)
        return replace(call, url=call.url.replace(str(self.world.booking.pk), str(booking.pk)))

    def ask(self, call: Call) -> Any:
        body = self._bodies.get(call.name, {})
        headers = dict(self.headers)
        if not call.is_for_programs:
            if "log" in call.route:  # In or out: what comes after begins with a session again.
                self._browser = None
            client, content, type_ = (
                self.browser,
                urlencode(body),
                "application/x-www-form-urlencoded",
            )
        else:
            client, content, type_ = self.world.client, json.dumps(body), "application/json"
            headers |= {"Idempotency-Key": str(new_id()), "If-Match": "*"}
        if call.method == "GET":
            return client.get(call.url, headers=self.headers)
        return client.generic(call.method, call.url, content, content_type=type_, headers=headers)

    def stopped_at_the_door(self) -> set[str]:
        """Return the addresses for programs at which what was said came to nothing."""
        return {
            name
            for name, status in self.statuses.items()
            if status in requests.AT_THE_DOOR and not name.startswith("GET ")
        }

    @property
    def browser(self) -> Any:
        if self._browser is None:
            self._browser = Client(raise_request_exception=False)
            self._browser.force_login(self.world.root)
        return self._browser

    def shown(self, call: Call) -> tuple[set[str], list[str]]:
        """Return what an address gives away, and what is wrong with that."""
        call, since = self.prepared(call), new_id()
        answer = self.ask(call)
        if call.is_for_programs:
            self.statuses[call.name] = answer.status_code
        marks = self.world.found_in(marked.text_of(answer))
        if not marks:
            return marks, []
        wrong = []
        if answer.get("Cache-Control") != "no-store":
            wrong.append(f"{call.name}: {sorted(marks)} may be stored")
        # Ids grow.
        looks = Entry.objects.filter(pk__gt=since, action_kind="read", status="succeeded")
        if not looks.filter(disclosure__disclosed_fields__len__gt=0).exists():
            wrong.append(f"{call.name}: {sorted(marks)} without an entry that names fields")
        elif self.headers and looks.filter(remark=None).exists():
            wrong.append(f"{call.name}: {sorted(marks)} without a reason")
        return marks, wrong


def walked(walker: Walker, wanted: set[str] | None = None) -> tuple[set[str], list[str]]:
    """Return the addresses that show something private, and what is wrong with any."""
    showing, complaints = set(), []
    for call in walk.calls(walker.world):
        if wanted is None or call.name in wanted:
            marks, wrong = walker.shown(call)
            complaints += wrong
            if marks:
                showing.add(call.name)
    return showing, complaints


def _noticing(open_: Callable[..., Any], opened: list[str]) -> Callable[..., Any]:
    def noticed(*sealed: Any, **of: Any) -> Any:
        opened.append(str(of or sealed))
        return open_(*sealed, **of)

    return noticed


class TestEveryAddress:
    def test_shows_what_is_private_on_record_only(self, world: World) -> None:
        with requests.with_a_public_job():
            requests.furnish(world)
            walker = Walker(world)
            showing, complaints = walked(walker)

        assert complaints == []
        assert walker.stopped_at_the_door() == requests.STOPPED_THERE
        assert showing == SHOWN_FOR_A_REASON | SHOWN_WITH_OR_WITHOUT | SHOWN_ONCE

    def test_leaves_nothing_private_in_any_table_or_event(self, world: World) -> None:
        walked(Walker(world), SHOWN_FOR_A_REASON | SHOWN_WITH_OR_WITHOUT | SHOWN_ONCE)

        # Sockets and webhooks tell what is in the log; answers are kept for who asks again.
        assert marked.tables_with(world) == {}

    def test_shows_no_person_to_who_does_not_say_why(self, world: World) -> None:
        showing, complaints = walked(Walker(world, says_why=False), SHOWN_FOR_A_REASON)

        assert (showing, complaints) == (set(), [])

    def test_opens_and_shows_nothing_that_cannot_be_put_on_record(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []
        for module in (subjects, payloads):
            name = "unseal" if module is subjects else "content_of"
            monkeypatch.setattr(module, name, _noticing(getattr(module, name), opened))
        walker = Walker(world)
        everything = SHOWN_FOR_A_REASON | SHOWN_WITH_OR_WITHOUT | SHOWN_ONCE
        found = [walker.prepared(call) for call in walk.calls(world) if call.name in everything]
        opened.clear()

        with ledger_that_is_full():
            answers = {call.name: walker.ask(call) for call in found if call.method == "GET"}
            # What is changed may use what it knows, to compare it; it shows nothing either.
            opened_to_read = list(opened)
            answers |= {call.name: walker.ask(call) for call in found if call.method != "GET"}

        assert {name: each.status_code for name, each in answers.items()} == dict.fromkeys(
            everything, 503
        )
        assert [
            name for name, each in answers.items() if world.found_in(marked.text_of(each))
        ] == []
        assert opened_to_read == []


def also(lab: URLPattern) -> Any:
    """Return the addresses of the product, and one more."""
    more = ModuleType("lab_urls")
    vars(more).update(vars(urls), urlpatterns=[*urls.urlpatterns, lab])
    return more


class TestAnAddressThatNobodyThoughtOf:
    @pytest.fixture
    def leaks(self, world: World, settings: Settings) -> None:
        @public
        def leak(request: HttpRequest) -> HttpResponse:
            personal = travellers.personal_of(world.traveller.pk)
            assert personal is not None
            return HttpResponse(personal.open()["first_name"])

        lab = path("api/v1/lab/leak", leak)
        settings.ROOT_URLCONF = also(lab)

    def test_is_found_when_it_shows_a_traveller(self, world: World, leaks: None) -> None:
        showing, complaints = walked(Walker(world), {"GET api/v1/lab/leak"})

        assert showing == {"GET api/v1/lab/leak"}
        assert complaints == [
            "GET api/v1/lab/leak: ['traveller first_name'] may be stored",
            "GET api/v1/lab/leak: ['traveller first_name'] without an entry that names fields",
        ]

    def test_stops_the_walk_until_it_is_said_what_is_there(
        self, world: World, settings: Settings
    ) -> None:
        lab = path("api/v1/lab/<uuid:pk>", public(lambda request, pk: HttpResponse("")))
        settings.ROOT_URLCONF = also(lab)

        with pytest.raises(AssertionError, match="api/v1/lab/"):
            walk.calls(world)


class TestAnAgent:
    @pytest.fixture
    def reads(self, world: World) -> list[Call]:
        public_ones = {"api/v1", "api/schema/", "webhook/<str:flow_id>/<str:step_id>/<str:token>"}
        return [
            call
            for call in walk.calls(world)
            if call.method == "GET" and call.is_for_programs and call.route not in public_ones
        ]

    def test_retrieves_nothing_without_an_entry(self, world: World, reads: list[Call]) -> None:
        client = client_with(world.agent_secret)
        unnoted, stored = [], []
        for call in reads:
            before = Entry.objects.filter(principal_type="agent").count()
            answer = client.get(call.url, headers=WHY)
            if answer.status_code != 200:
                continue
            if Entry.objects.filter(principal_type="agent").count() == before:
                unnoted.append(call.name)
            if answer.get("Cache-Control") != "no-store":
                stored.append(call.name)

        assert (unnoted, stored) == ([], [])
        assert disclosures_name_fields() == []

    def test_retrieves_nothing_when_nothing_can_be_put_on_record(
        self, world: World, reads: list[Call]
    ) -> None:
        client = client_with(world.agent_secret)
        with ledger_that_is_full():
            answered = {call.name: client.get(call.url, headers=WHY).status_code for call in reads}

        assert {name for name, status in answered.items() if status < 400} == set()
        assert 503 in answered.values()

    def test_calls_no_tool_that_reads_without_an_entry(self, world: World) -> None:
        agent = Agent.objects.get()
        asked: list[tuple[str, dict[str, Any]]] = [("list", {}), ("status", {"approval_id": "x"})]
        for each in readings.every():
            asked.append(("list", {"type": each.type}))
            row = each.model._default_manager.first()
            asked.append(("read", {"type": each.type, "id": str(row.pk if row else agent.pk)}))

        for name, arguments in asked:
            before = Entry.objects.filter(principal_type="agent").count()
            answer = tools.call(name, arguments, written_key=world.agent_secret)
            after = Entry.objects.filter(principal_type="agent").count()
            with ledger_that_is_full():
                withheld = tools.call(name, arguments, written_key=world.agent_secret)

            assert after > before, (name, arguments)
            assert world.found_in(str(answer)) == set()
            assert (withheld["outcome"], withheld["because"]) == ("refused", "ledger_unavailable")

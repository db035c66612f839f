"""At every address for programs, whoever may not do it is refused, and nothing was done or shown.

Bodies and rows are real (`requests`), and come to what they are about where one may
(`test_sensitive_reads`): a refusal is one of rights, not of a shape.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import resolve
from guardian.shortcuts import assign_perm
from pytest_django import Settings

from commerce.models import Booking, Invoice, Product
from ledger import capabilities
from ledger.access.authority import AUTHENTICATED, PUBLIC
from ledger.models import Entry
from tests.integration.commerce.api import marked, requests, walk
from tests.integration.commerce.api.marked import World
from tests.integration.commerce.api.test_sensitive_reads import Walker
from tests.integration.commerce.api.walk import Call
from tests.integration.commerce.conftest import MakeBooking, bill
from tests.integration.ledger.conftest import client_with, issue
from workflows.egress import client as egress

pytestmark = pytest.mark.django_db(transaction=True)

DENIED = {401, 403, 404}


@pytest.fixture
def unfurnished(settings: Settings, make_booking: MakeBooking, peers: object) -> Iterator[World]:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]
    booking = make_booking(contact=marked.CONTACT)
    with requests.with_a_public_job():
        yield marked.build(booking, bill(booking))
    egress.forget_connections()


@pytest.fixture
def world(unfurnished: World) -> World:
    requests.furnish(unfurnished)
    return unfurnished


def for_programs(world: World) -> list[Call]:
    return [call for call in walk.calls(world) if call.is_for_programs]


def changing(world: World) -> list[Call]:
    return [call for call in for_programs(world) if call.method != "GET"]


def needs_of(call: Call) -> str | None:
    """Return the capability that an address declares for a method; None if it asks for none."""
    view: Any = resolve(call.url).func
    declared = getattr(getattr(view, "cls", None) or view, "capabilities", None)
    if declared == PUBLIC or declared is None:
        return None
    method = call.method.lower()
    needs = declared.get(getattr(view, "actions", {}).get(method, method))
    return None if needs in {AUTHENTICATED, PUBLIC} else needs


def all_but(capability_id: str) -> list[str]:
    return [each.id for each in capabilities.every() if each.id != capability_id]


def done(since: int) -> list[str]:
    """Return what was done, of all that was tried, by the entries made since there were so many."""
    rows = Entry.objects.exclude(status="denied").exclude(action_name__startswith="api_key.")
    return list(rows.order_by("pk").values_list("action_name", flat=True)[since:])


class TestEveryAddress:
    def test_is_denied_to_who_holds_everything_but_what_it_names(self, world: World) -> None:
        """A key of somebody who may do everything, within all scopes but one."""
        walker, keys = Walker(world), dict[str, Any]()
        admitted, gave_away = [], []
        calls = [(call, needs) for call in for_programs(world) if (needs := needs_of(call))]
        assert len(calls) > 150
        for needs in {needs for _, needs in calls}:
            keys[needs] = client_with(issue(world.root, all_but(needs))[0])
        before = len(done(0))

        for call, needs in calls:
            walker.world = replace(world, client=keys[needs])
            answer = walker.ask(call)
            if answer.status_code not in DENIED:
                admitted.append((call.name, answer.status_code))
            if world.found_in(marked.text_of(answer)):
                gave_away.append(call.name)

        assert (admitted, gave_away) == ([], [])
        assert done(before) == []

    def test_is_denied_to_who_may_do_it_to_another_object_only(
        self, world: World, make_booking: MakeBooking
    ) -> None:
        other = make_booking()
        partner = User.objects.create_user("partner")
        own: dict[str, Booking | Invoice] = {"booking": other, "invoice": bill(other)}
        for name, thing in own.items():
            for verb in ("view", "change"):
                assign_perm(f"commerce.{verb}_{name}", partner, thing)
        client = client_with(issue(partner, ["*"])[0])
        walker = Walker(world)
        walker.world = replace(world, client=client)
        before = len(done(0))

        admitted, gave_away, asked = [], [], 0
        for call in for_programs(world):
            needs = needs_of(call)
            if needs is None or capabilities.get(needs).object_permission is None:
                continue
            if "<uuid:" not in call.route:
                continue  # A list shows what is theirs.
            asked += 1
            answer = walker.ask(call)
            if answer.status_code not in DENIED:
                admitted.append((call.name, answer.status_code))
            if world.found_in(marked.text_of(answer)):
                gave_away.append(call.name)

        assert asked > 20
        assert (admitted, gave_away) == ([], [])
        assert done(before) == []
        # They are let in to what is theirs: it is the object that was refused.
        for name, thing in own.items():
            assert client.get(f"/api/v1/{name}s/{thing.pk}").status_code == 200


def test_the_walk_notices_a_body_that_is_not_enough(unfurnished: World) -> None:
    walker = Walker(unfurnished)
    [call] = [each for each in changing(unfurnished) if each.name == "POST api/v1/products"]
    walker._bodies[call.name] = {}

    walker.shown(call)

    assert walker.statuses[call.name] in requests.AT_THE_DOOR
    assert not Product.objects.filter(name="Walk").exists()

"""Previews and reversals over HTTP, with a small command of the test's own."""

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from events.domain.errors import PreconditionFailed
from ledger import recording
from ledger.access.authority import Caller
from ledger.domain.action import Action, Kind, Target
from ledger.domain.capability import CapabilityMissing
from ledger.models import Entry, Mutation, ReversalStanding
from ledger.reversing import previews
from ledger.services import reversals
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.ledger.lamp import (
    Lamp,
    LampBroken,
    ask,
    lamp_of,
    look,
    look_and_ask,
    switch_off,
    switching,
)
from tests.integration.ledger.reversing.test_standings import CLERK
from tests.support import api_description

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_new_lamp() -> Iterator[None]:
    with lamp_of(CLERK):
        yield


@pytest.fixture
def clerk(alice: User) -> APIClient:
    grant(alice, "ledger.read", "ledger.reverse", "event.read")
    return client_with(issue(alice, ["*"])[0])


class TestPreview:
    def test_shows_what_would_happen_and_changes_nothing(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        before = Entry.objects.count()

        shown = look(clerk, entry_id)

        assert (shown["state"], shown["outcome"], shown["makes_it"]) == ("available", None, "full")
        assert shown["command"]["meaning"] == "Switch the lamp on again."
        [effect] = shown["effects"]
        assert (effect["kind"], effect["summary"]) == ("reverted", "The lamp goes on again.")
        assert len(shown["token"]) == 64
        assert shown["refusal"] is None
        assert Entry.objects.count() == before

    def test_names_the_later_action_that_stands_in_the_way(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        later_id = switch_off()

        shown = look(clerk, entry_id)

        assert shown["effects"][0]["entry_id"] == str(later_id)
        assert (shown["refusal"]["code"], shown["token"]) == ("reversal_blocked", "")
        answer = ask(clerk, entry_id, token="0" * 64)
        assert answer.status_code == 409
        assert answer.json()["facts"]["blocked_by"][0]["entry_id"] == str(later_id)

    def test_goes_past_what_was_undone_again(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        look_and_ask(clerk, switch_off())

        assert look(clerk, entry_id)["refusal"] is None

    def test_of_nothing_is_a_404(self, clerk: APIClient) -> None:
        answer = clerk.get(f"/api/v1/ledger/entries/{uuid4()}/reversal")

        assert (answer.status_code, answer.json()["code"]) == (404, "entry_not_found")

    def test_refuses_an_amount_that_is_none(self, clerk: APIClient) -> None:
        path = f"/api/v1/ledger/entries/{switch_off()}/reversal"

        answer = clerk.get(path, {"amount_cents": "-1"})

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["parameter"] == "amount_cents"

    def test_is_for_who_may_read_the_ledger(self, alice: User) -> None:
        client = client_with(issue(alice, ["*"])[0])

        answer = client.get(f"/api/v1/ledger/entries/{switch_off()}/reversal")

        assert answer.status_code == 403


class TestExecution:
    def test_undoes_it_once_and_links_both_ways(self, clerk: APIClient) -> None:
        entry_id = switch_off()

        answer = look_and_ask(clerk, entry_id)

        assert answer.status_code == 201
        done = answer.json()
        assert (done["state"], done["outcome"]) == ("completed", "full")
        entry = Entry.objects.select_related("mutation").get(pk=done["reversal_id"])
        assert (entry.action_name, entry.action_kind, entry.status) == (
            "lamp.on",
            "reverse",
            "reversed",
        )
        assert (entry.mutation.reverses_id, entry.causation_id) == (entry_id, str(entry_id))
        assert entry.reason == "It was too dark."
        shown = look(clerk, entry_id)
        assert shown["reversed_by"] == done["reversal_id"]
        assert [step["step"] for step in shown["steps"]] == ["completed"]
        assert shown["refusal"]["code"] == "reversal_already_reversed"

    def test_answers_the_same_request_the_same(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        path, key = f"/api/v1/ledger/entries/{entry_id}/reversals", uuid4().hex
        body = {"reason": "It was too dark.", "token": look(clerk, entry_id)["token"]}

        first = clerk.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY=key)
        second = clerk.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY=key)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert Mutation.objects.filter(reverses=entry_id).count() == 1

    def test_demands_a_key_a_token_and_a_reason(self, clerk: APIClient) -> None:
        path = f"/api/v1/ledger/entries/{switch_off()}/reversals"

        without_key = clerk.post(path, {"reason": "x", "token": "y"}, format="json")
        bare = clerk.post(path, {}, format="json", HTTP_IDEMPOTENCY_KEY=uuid4().hex)

        assert (without_key.status_code, without_key.json()["code"]) == (
            400,
            "idempotency_key_required",
        )
        assert {error["pointer"] for error in bare.json()["errors"]} == {"/reason", "/token"}

    def test_refuses_a_preview_of_another_state(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        token = look(clerk, entry_id)["token"]
        Lamp.version = 9

        answer = ask(clerk, entry_id, token=token)

        assert (answer.status_code, answer.json()["code"]) == (409, "reversal_preview_stale")
        assert not Mutation.objects.filter(reverses=entry_id).exists()

    def test_refuses_a_state_that_moved_between_look_and_lock(self, clerk: APIClient) -> None:
        class Moved(PreconditionFailed):
            code = "version_moved"

        entry_id = switch_off()
        Lamp.fails = Moved("It moved.")

        answer = look_and_ask(clerk, entry_id)

        assert (answer.status_code, answer.json()["code"]) == (409, "reversal_preview_stale")
        assert not Mutation.objects.filter(reverses=entry_id).exists()

    def test_needs_the_right_to_do_what_its_command_does(self, alice: User) -> None:
        grant(alice, "ledger.read", "ledger.reverse")
        client = client_with(issue(alice, ["*"])[0])
        entry_id = switch_off()

        answer = look_and_ask(client, entry_id)

        assert (answer.status_code, answer.json()["code"]) == (403, "capability_missing")
        assert answer.json()["facts"]["capability"] == "event.read"
        assert ReversalStanding.objects.get(entry=entry_id).state == "available"

    def test_that_fails_is_on_record_and_can_be_tried_again(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        Lamp.fails = LampBroken()

        answer = look_and_ask(clerk, entry_id)

        assert (answer.status_code, answer.json()["code"]) == (422, "lamp_broken")
        standing = ReversalStanding.objects.get(entry=entry_id)
        assert (standing.state, standing.outcome) == ("failed", "failed")
        [attempt] = Entry.objects.filter(mutation__reverses=entry_id)
        assert (attempt.action_name, attempt.status) == ("reversal.execute", "failed")
        assert attempt.mutation.summary == "lamp.on failed: lamp_broken"
        Lamp.fails = None
        assert look_and_ask(clerk, entry_id).json()["state"] == "completed"

    def test_that_hits_a_bug_is_on_record_too(self, clerk: APIClient) -> None:
        entry_id = switch_off()
        Lamp.fails = ZeroDivisionError()

        answer = look_and_ask(clerk, entry_id)

        assert answer.status_code == 500
        attempt = Mutation.objects.get(reverses=entry_id)
        assert attempt.summary == "lamp.on failed: internal_error"


class TestWhatCannotBeUndone:
    def test_says_why_and_offers_what_can_be_done_instead(self, clerk: APIClient) -> None:
        with recording.recorded(switching("lamp.break")) as proof:
            proof.cannot_be_undone("Glass does not mend.", follow_ups=("lamp.candle",))

        shown = look(clerk, proof.entry_id)
        answer = ask(clerk, proof.entry_id, token="0" * 64)

        assert shown["state"] == "not_reversible"
        assert shown["follow_ups"] == [
            {"name": "lamp.candle", "meaning": "Light a candle.", "can_be_carried_out": False}
        ]
        assert (answer.status_code, answer.json()["code"]) == (409, "reversal_not_reversible")
        assert answer.json()["facts"]["why"] == "Glass does not mend."
        assert answer.json()["facts"]["follow_ups"] == ["lamp.candle"]

    @pytest.mark.parametrize(
        ("state", "names"),
        [("not_reversible", ["lamp.break"]), ("available", ["lamp.off"]), ("expired", [])],
    )
    def test_is_told_from_what_can_by_the_lists(
        self, clerk: APIClient, admin_client: Client, state: str, names: list[str]
    ) -> None:
        with recording.recorded(switching("lamp.break")) as proof:
            proof.cannot_be_undone("Glass does not mend.")
        switch_off()

        of_lamps = {"target_type": "lamp"}
        listed = clerk.get("/api/v1/ledger/entries", {"reversal_state": state, **of_lamps})
        asked = {"standing__state__exact": state, **of_lamps}
        page = admin_client.get("/admin/ledger/entry/", asked).text

        assert [each["action_name"] for each in listed.json()["results"]] == names
        assert re.findall(r'field-action_name">([^<]+)<', page) == names

    def test_gives_back_nothing_that_could_be_counted(self, clerk: APIClient) -> None:
        with recording.recorded(switching("lamp.break")) as proof:
            proof.cannot_be_undone("Glass does not mend.")

        shown = look(clerk, proof.entry_id)

        described = api_description.shape("ReversalPreviewOut")["properties"]["gives_back_cents"]
        assert shown["gives_back_cents"] is None
        assert described["type"] == ["integer", "null"]

    @pytest.mark.parametrize("query", ["command=", "comand=lamp.on"])
    def test_is_not_previewed_by_a_question_that_says_something_else(
        self, clerk: APIClient, query: str
    ) -> None:
        entry_id = switch_off()

        answer = clerk.get(f"/api/v1/ledger/entries/{entry_id}/reversal?{query}")

        name = query.partition("=")[0]
        assert answer.status_code == 400
        assert [each["parameter"] for each in answer.json()["errors"]] == [name]

    def test_because_its_command_is_gone_says_so(self, clerk: APIClient) -> None:
        entry_id = switch_off(version=7, follow_ups=("lamp.candle", "lamp.on"))

        shown = look(clerk, entry_id)

        assert shown["refusal"]["code"] == "reversal_command_unavailable"
        assert [each["can_be_carried_out"] for each in shown["follow_ups"]] == [False, True]
        instead = look(clerk, entry_id, command="lamp.on")
        answer = ask(clerk, entry_id, token=instead["token"], command="lamp.on")
        assert answer.json()["state"] == "completed"

    def test_because_nothing_was_changed_says_so(self, clerk: APIClient) -> None:
        entry_id = recording.record_refusal(switching("booking.cancel_all"), LampBroken())
        assert entry_id is None  # Not grave: not on record.
        grave = Action(
            name="api_key.issue",
            kind=Kind.CREATE,
            target=Target(type="lamp", id="1"),
            capability="api_key.issue",
        )
        refused_id = recording.record_refusal(grave, LampBroken())
        assert refused_id is not None

        shown = look(clerk, refused_id)

        assert shown["refusal"]["code"] == "reversal_missing_mutation_detail"


class TestExpiry:
    def test_ends_a_window_with_an_entry_and_leaves_the_follow_ups(self, clerk: APIClient) -> None:
        past = timezone.now() - timedelta(seconds=1)
        entry_id = switch_off(until=past, follow_ups=("lamp.candle",))

        # Refused at once, also before the sweep has come by.
        assert look(clerk, entry_id)["refusal"]["code"] == "reversal_expired"
        assert reversals.expire_reversals() == 1
        assert reversals.expire_reversals() == 0

        answer = ask(clerk, entry_id, token="0" * 64)
        assert (answer.status_code, answer.json()["code"]) == (409, "reversal_expired")
        assert answer.json()["facts"]["follow_ups"] == ["lamp.candle"]
        assert look(clerk, entry_id)["state"] == "expired"
        [entry] = Entry.objects.filter(mutation__reverses=entry_id)
        assert (entry.action_name, entry.status, entry.principal_type) == (
            "reversal.expire",
            "expired",
            "system",
        )

    def test_leaves_what_has_time_or_is_done(self, clerk: APIClient) -> None:
        switch_off(until=timezone.now() + timedelta(hours=1))

        assert reversals.expire_reversals() == 0


def test_callers_are_asked_in_services_too(alice: User) -> None:
    """A caller that is no view comes through the same gate."""
    entry_id = switch_off()
    token = previews.preview(entry_id).token

    with pytest.raises(CapabilityMissing):
        reversals.execute_reversal(entry_id=entry_id, token=token, reason="x", caller=Caller(alice))

    assert not Mutation.objects.filter(reverses=entry_id).exists()

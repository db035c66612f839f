"""Who may call back: the peer, by the address that it was given, and operators; no reader."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from events.models import StoredEvent
from ledger.access import grants
from ledger.models import ApiKey, Entry
from tests.integration.ledger import agents
from tests.integration.ledger.conftest import grant, issue
from tests.integration.workflows.flows.clients import FLOWS, client_of
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import Heard, StepServer
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import Receipt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ada_acts")]

UNSIGNED = {
    "error": "the address lacks the signature with which it was given out",
    "status": 403,
    "code": "callback_unsigned",
    "hint": (
        "Use the webhook URL that came with the call, unchanged, with its query; or send an API "
        "key that holds flow.intervene."
    ),
}


def start(peer: StepServer, **definition: Any) -> None:
    """Start the flow `trip` of one step, and call it."""
    body = {
        "id": "print",
        "name": "print",
        "type": "async",
        "http": {"endpoint": peer.url("/print")},
        "attributes": {"page": {"role": "output"}},
        **definition,
    }
    services.register_step(step=step_from_json(body))
    services.start_flow(flow_id="trip", goals=["print"], init={})
    work_off()


def given_out(peer: StepServer, **definition: Any) -> str:
    """Start the flow and return the address at which its step is to call back."""
    start(peer, **definition)
    url = urlsplit(peer.calls("/print")[-1].headers["argyll-webhook-url"])
    return f"{url.path}?{url.query}"


def call_back(address: str, body: Any = None, **headers: str) -> Any:
    return Client().post(
        address,
        json.dumps({"page": 1} if body is None else body),
        content_type="application/json",
        headers=headers,
    )


def page() -> Any:
    return (flow("trip").executions["print"].outputs or {}).get("page")


def is_untouched() -> bool:
    return page() is None and not Receipt.objects.exists() and not flow("trip").is_terminal


class TestThePeer:
    def test_calls_back_at_the_address_that_it_was_given(self, peer: StepServer) -> None:
        address = given_out(peer)

        assert call_back(address).status_code == 200
        assert call_back(address).status_code == 200
        assert page() == 1
        assert Receipt.objects.count() == 2

    @pytest.mark.parametrize("more", ["&attempt=2", "?attempt=2", "&signature=of-the-peer"])
    def test_may_append_parameters_of_its_own(self, peer: StepServer, more: str) -> None:
        assert call_back(given_out(peer) + more).status_code == 200
        assert page() == 1

    def test_may_have_a_credential_of_its_own(self, peer: StepServer) -> None:
        assert call_back(given_out(peer), Authorization="Bearer of-the-peer").status_code == 200

    def test_finds_the_same_address_in_the_body_if_it_asks_for_it(self, peer: StepServer) -> None:
        told = {"role": "meta", "meta": {"key": "webhook_url"}}
        given_out(peer, attributes={"page": {"role": "output"}, "back": told})

        [call] = peer.calls("/print")
        assert call.body["back"] == call.headers["argyll-webhook-url"]

    def test_calls_back_after_the_secret_key_was_changed(
        self, peer: StepServer, settings: Settings
    ) -> None:
        address = given_out(peer)

        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-" * 8
        assert call_back(address).status_code == 200

    def test_is_refused_once_the_former_key_is_gone(
        self, peer: StepServer, settings: Settings
    ) -> None:
        address = given_out(peer)

        settings.SECRET_KEY = "another-" * 8
        assert call_back(address).json() == UNSIGNED
        assert is_untouched()


class TestWhoeverReadsTheFlow:
    @pytest.mark.parametrize(
        "query", ["", "?signature=", "?signature=" + 64 * "0", "?signature=%F0%9F", "?signature"]
    )
    def test_is_refused_and_nothing_is_recorded(self, peer: StepServer, query: str) -> None:
        address = given_out(peer).partition("?")[0]
        recorded = StoredEvent.objects.count(), Entry.objects.count()

        answer = call_back(address + query)

        assert (answer.status_code, answer.json()) == (403, UNSIGNED)
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert is_untouched()
        assert (StoredEvent.objects.count(), Entry.objects.count()) == recorded

    def test_is_told_the_same_whether_or_not_anybody_waits(self, peer: StepServer) -> None:
        address = given_out(peer)
        path, _, query = address.partition("?")
        call_back(address)

        for unknown in ("/webhook/no/print/t", "/webhook/trip/no/t", "/webhook/trip/print/t", path):
            for body in ({"page": 1}, "not an object"):
                assert call_back(unknown, body).json() == UNSIGNED
                if unknown != path:
                    assert call_back(f"{unknown}?{query}", body).json() == UNSIGNED

    def test_ends_no_step_that_is_not_called_to_call_back(self, peer: StepServer) -> None:
        forged: list[int] = []

        def meanwhile(call: Heard) -> tuple[int, Any]:
            token = call.headers["argyll-receipt-token"]
            forged.append(call_back(f"/webhook/trip/print/{token}").status_code)
            return 200, {"page": 2}

        peer.says["/print"] = meanwhile
        start(peer, type="sync")

        assert (forged, page()) == ([403], 2)

    def test_finds_the_signature_nowhere(
        self, peer: StepServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        def repeat(call: Heard) -> tuple[int, Any]:
            return 503, {"detail": f"busy: {call.headers['argyll-webhook-url']}"}

        peer.says["/print"] = repeat
        address = given_out(peer, work_config={"max_retries": 3, "init_backoff": 60_000})
        signature = address.rpartition("=")[2]
        reader = client_of("reader", "flow.read", "job.read", "event.read")

        pages = [
            reader.get(f"{FLOWS}/trip"),
            reader.get(f"{FLOWS}/trip/events"),
            reader.get(f"{FLOWS}/trip/steps/print"),
            reader.get("/api/v1/jobs"),
            reader.get("/api/v1/events"),
        ]
        assert [one.status_code for one in pages] == [200] * len(pages)
        assert "busy: " in pages[1].text
        assert "?signature=[redacted]" in pages[1].text
        assert all(signature not in one.text for one in pages)
        assert signature not in caplog.text

    def test_is_refused_with_a_key_of_theirs_too(self, peer: StepServer) -> None:
        address = given_out(peer).partition("?")[0]
        key = key_of("reader", "flow.read")

        answer = call_back(address, Authorization=f"Bearer {key}")

        assert (answer.status_code, answer.json()["code"]) == (403, "engine_access_denied")
        assert is_untouched()

    def test_is_refused_with_a_session_whatever_it_may_do(self, peer: StepServer) -> None:
        address = given_out(peer).partition("?")[0]
        key_of("operator", "flow.intervene")
        client = Client()
        client.force_login(User.objects.get(username="operator"))

        answer = client.post(address, "{}", content_type="application/json")

        assert answer.json() == UNSIGNED
        assert is_untouched()


class TestAnOperator:
    def test_delivers_in_the_place_of_the_peer_and_is_on_record(self, peer: StepServer) -> None:
        address = given_out(peer).partition("?")[0]
        key = key_of("operator", "flow.intervene")

        assert call_back(address, Authorization=f"Bearer {key}").status_code == 200
        assert call_back(address, Authorization=f"Bearer {key}").status_code == 200

        assert page() == 1
        entry = Entry.objects.get(action_name="flow.deliver_callback")
        key_id = ApiKey.objects.get(owner__username="operator").prefix
        assert (entry.principal_type, entry.principal_id) == ("api_key", key_id)
        assert (entry.target_id, entry.workflow_step_id) == ("trip", "print")
        assert entry.mutation.summary == "Gave page."

    @pytest.mark.parametrize("signed", ["", "?signature=wrong"])
    def test_is_told_what_nobody_waits_for(self, peer: StepServer, signed: str) -> None:
        given_out(peer)
        key = key_of("operator", "flow.intervene")

        answer = call_back(f"/webhook/trip/print/none{signed}", Authorization=f"Bearer {key}")

        assert answer.json() == {"error": "Work item not found for token", "status": 400}
        assert not Entry.objects.filter(action_name="flow.deliver_callback").exists()

    def test_with_a_key_that_is_none_is_unknown(self, peer: StepServer) -> None:
        address = given_out(peer).partition("?")[0]

        answer = call_back(address, Authorization="Bearer daybook_nobody")

        assert (answer.status_code, answer.json()["code"]) == (401, "credential_refused")
        assert is_untouched()

    def test_that_has_to_ask_first_asks_elsewhere(self, peer: StepServer) -> None:
        address = given_out(peer).partition("?")[0]
        key_of("owner", "flow.intervene")
        owner = User.objects.get(username="owner")
        key = agents.key_of(agents.delegated(agents.an_agent(owner)))

        answer = call_back(address, Authorization=f"Bearer {key}")

        assert (answer.status_code, answer.json()["code"]) == (403, "callback_needs_approval")
        assert is_untouched()


def test_an_open_engine_asks_for_no_signature(peer: StepServer, settings: Settings) -> None:
    settings.OPEN_ENGINE = True
    address = given_out(peer)

    token = flow("trip").executions["print"].order[0]
    assert address == f"/webhook/trip/print/{token}?"
    assert call_back(address).status_code == 200
    assert page() == 1


def key_of(name: str, *capabilities: str) -> str:
    grants.provision()
    return issue(grant(User.objects.create_user(name), *capabilities), ["*"])[0]

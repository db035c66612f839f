"""An agent over HTTP: its key, what it reads and does, and where it ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from commerce.models import Booking
from events import context
from events.domain.principal import SYSTEM
from ledger import tools
from ledger.models import Entry
from ledger.services import agents, delegations
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import client_with, grant, issue

READS = ["booking.read"]
ACTS = ["booking.read", "booking.confirm", "booking.cancel"]


@pytest.fixture
def ada(transactional_db: None) -> User:
    return grant(User.objects.create_user("ada"), *ACTS, "agent.read")


def by_agent() -> list[tuple[str, str, str]]:
    rows = Entry.objects.filter(principal_type="agent").order_by("occurred_at")
    return list(rows.values_list("action_name", "action_kind", "status"))


def answers(secret: str) -> list[Any]:
    """Ask over HTTP and over MCP."""
    over_http = client_with(secret).get("/api/v1/bookings")
    called = tools.call("list", {}, written_key=secret)
    return [(over_http.status_code, over_http.json()["code"]), called["because"]]


class TestAnAgent:
    def test_reads_and_acts_on_record(self, ada: User, booking: Booking) -> None:
        client = client_with(key_of(delegated(an_agent(ada), *ACTS)))

        assert client.get(f"/api/v1/bookings/{booking.pk}").status_code == 200
        assert client.post(f"/api/v1/bookings/{booking.pk}/confirm").status_code == 200

        assert by_agent() == [
            ("booking.read", "read", "succeeded"),
            ("booking.confirm", "update", "succeeded"),
        ]

    def test_never_does_more_than_its_scopes(self, ada: User, booking: Booking) -> None:
        client = client_with(key_of(delegated(an_agent(ada), *READS)))

        answer = client.post(f"/api/v1/bookings/{booking.pk}/confirm")

        assert answer.status_code == 403
        assert by_agent()[-1] == ("booking.confirm", "execute", "denied")
        booking.refresh_from_db()
        assert booking.status == "draft"

    def test_never_does_more_than_its_owner_may_now(self, ada: User, booking: Booking) -> None:
        client = client_with(key_of(delegated(an_agent(ada), "*")))
        assert client.get("/api/v1/bookings").status_code == 200

        ada.user_permissions.clear()

        assert client.get("/api/v1/bookings").status_code == 403

    def test_sees_only_what_its_filter_names(self, ada: User, make_booking: MakeBooking) -> None:
        mine, other = make_booking(quantity=1), make_booking(quantity=1)
        link = delegated(an_agent(ada), *ACTS, resources={"booking": (str(mine.pk),)})
        client = client_with(key_of(link))

        listed = client.get("/api/v1/bookings")

        assert [row["id"] for row in listed.json()["results"]] == [str(mine.pk)]
        assert client.get(f"/api/v1/bookings/{mine.pk}").status_code == 200
        assert client.get(f"/api/v1/bookings/{other.pk}").status_code == 404
        assert client.post(f"/api/v1/bookings/{other.pk}/confirm").status_code == 404
        assert client.post(f"/api/v1/bookings/{mine.pk}/confirm").status_code == 200

    def test_over_its_budget_is_refused_on_record(self, ada: User, booking: Booking) -> None:
        client = client_with(key_of(delegated(an_agent(ada), *ACTS, actions_max=1)))
        assert client.get(f"/api/v1/bookings/{booking.pk}").status_code == 200

        answer = client.post(f"/api/v1/bookings/{booking.pk}/confirm")

        assert (answer.status_code, answer.json()["code"]) == (403, "budget_exceeded")
        assert by_agent()[-1] == ("booking.confirm", "update", "denied")
        booking.refresh_from_db()
        assert booking.status == "draft"

    def test_too_often_is_told_when_to_come_back(self, ada: User, booking: Booking) -> None:
        client = client_with(key_of(delegated(an_agent(ada), *ACTS, per_minute_max=1)))
        client.get(f"/api/v1/bookings/{booking.pk}")

        answer = client.get(f"/api/v1/bookings/{booking.pk}")

        assert (answer.status_code, answer.json()["code"]) == (429, "delegation_rate_exceeded")
        assert answer["Retry-After"] == "60"

    def test_is_shut_out_at_once_when_it_is_stopped(self, ada: User) -> None:
        link = delegated(an_agent(ada), *ACTS)
        client = client_with(key_of(link))
        assert client.get("/api/v1/bookings").status_code == 200

        with context.acting(SYSTEM):
            agents.stop_all_agents(reason="now")
        assert client.get("/api/v1/bookings").status_code == 403

        with context.acting(SYSTEM):
            agents.resume_all_agents(reason="calm")
            assert client.get("/api/v1/bookings").status_code == 200
            delegations.revoke_delegation(delegation_id=link.pk, reason="enough")
        assert client.get("/api/v1/bookings").status_code == 401

    @pytest.mark.parametrize("is_it_alone", [True, False])
    def test_that_is_stopped_is_told_so_by_a_true_key_alone(
        self, ada: User, *, is_it_alone: bool
    ) -> None:
        link = delegated(an_agent(ada), *ACTS)
        secret = key_of(link)
        other = key_of(link)
        guessed = secret[:-49] + other[-49:]
        with context.acting(SYSTEM):
            if is_it_alone:
                agents.stop_agent(agent_id=link.agent_id, reason="now")
            else:
                agents.stop_all_agents(reason="now")

        assert answers(secret) == [(403, "agent_stopped"), "agent_stopped"]
        assert answers(guessed) == [(401, "credential_refused"), "credential_refused"]
        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=link.pk, reason="enough")
        assert answers(secret) == [(401, "credential_refused"), "credential_refused"]

    def test_gets_no_ticket_and_no_page(self, ada: User) -> None:
        client = client_with(key_of(delegated(an_agent(ada), "*")))

        refused = client.post("/api/v1/ws-tickets")

        assert (refused.status_code, refused.json()["code"]) == (403, "ticket_not_for_agents")
        assert client.get("/admin/").status_code == 302
        assert client.get("/").status_code == 302

    def test_makes_no_keys_agents_or_delegations(self, ada: User) -> None:
        grant(ada, "api_key.issue", "agent.create", "delegation.create", "agent.administer")
        link = delegated(an_agent(ada), "*")
        client = client_with(key_of(link))

        for address, body in (
            ("api-keys", {"name": "x", "scopes": ["*"]}),
            ("ledger/agents", {"name": "y"}),
            (f"ledger/delegations/{link.pk}/keys/issue", {}),
            ("ledger/agents/switch/resume", {"reason": "please"}),
        ):
            answer = client.post(f"/api/v1/{address}", body, format="json")
            assert answer.status_code == 403, address

    def test_asks_on_record_for_what_has_a_journal_of_its_own(self, ada: User) -> None:
        grant(ada, "job.enqueue")
        client = client_with(key_of(delegated(an_agent(ada), "job.enqueue")))

        asked = {"name": "instance.check", "input": {"nonce": "n"}}
        answer = client.post("/api/v1/jobs", asked, format="json")

        assert answer.status_code == 201
        assert by_agent() == [("job.enqueue", "execute", "requested")]


class TestOverHttp:
    def test_an_agent_is_made_delegated_to_keyed_and_revoked(self, admin: APIClient) -> None:
        made = admin.post("/api/v1/ledger/agents", {"name": "clerk"}, format="json")
        asked = {
            "agent_id": made.json()["id"],
            "reason": "it answers the mail",
            "scopes": ["booking.read"],
            "actions_max": 10,
            "expires_at": (timezone.now() + timedelta(days=180)).isoformat(),
        }
        delegation = admin.post("/api/v1/ledger/delegations", asked, format="json").json()
        at = f"/api/v1/ledger/delegations/{delegation['id']}"
        key = admin.post(f"{at}/keys/issue", {}, format="json").json()
        client = client_with(key["secret"])

        assert client.get("/api/v1/bookings").status_code == 200
        assert admin.get(at).json()["actions_used"] == 1
        assert [row["id"] for row in admin.get(f"{at}/tree").json()] == [delegation["id"]]
        assert "secret" not in admin.get(f"{at}/keys").json()[0]

        ended = admin.post(f"{at}/revoke", {"reason": "enough"}, format="json")

        assert ended.json()["revoked_at"] is not None
        assert client.get("/api/v1/bookings").status_code == 401

    def test_what_makes_no_sense_is_refused_by_name(self, admin: APIClient) -> None:
        agent = admin.post("/api/v1/ledger/agents", {"name": "clerk"}, format="json").json()
        good = {
            "agent_id": agent["id"],
            "reason": "a test",
            "scopes": ["booking.read"],
            "expires_at": (timezone.now() + timedelta(days=180)).isoformat(),
        }

        for change, status, code in (
            ({"scopes": ["booking.fly"]}, 422, "scope_unknown"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "delegation_expiry_out_of_range"),
            ({"cents_max": 5}, 400, "invalid"),
            ({"hour_from": 9}, 400, "invalid"),
            ({"root": "somebody"}, 400, "invalid"),
            ({"parent_id": agent["id"]}, 404, "delegation_not_found"),
            ({"agent_id": "00000000-0000-0000-0000-000000000000"}, 404, "agent_not_found"),
        ):
            body = {**good, **change}
            answer = admin.post("/api/v1/ledger/delegations", body, format="json")
            assert (answer.status_code, answer.json()["code"]) == (status, code), change

    def test_others_see_and_end_only_their_own(self, admin: APIClient, ada: User) -> None:
        link = delegated(an_agent(ada), *READS)
        grant(eve := User.objects.create_user("eve"), "agent.read", "delegation.revoke")

        other = client_with(issue(eve, ["*"])[0])

        assert other.get(f"/api/v1/ledger/delegations/{link.pk}").status_code == 404
        refused = other.post(
            f"/api/v1/ledger/delegations/{link.pk}/revoke", {"reason": "x"}, format="json"
        )
        assert refused.status_code == 404
        assert admin.get(f"/api/v1/ledger/delegations/{link.pk}").status_code == 200


class TestDelegations:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["all", "one", "family"]),
            ("capability=booking.cancel", ["all", "one", "family"]),
            ("capability=booking.confirm", ["all", "family"]),
            ("capability=booking.*", ["all", "one", "family"]),
            ("capability=refund.request", ["all"]),
            ("capability=no.such", []),
            ("created_before=2001-01-01T00:00:00Z", []),
            ("created_after=2001-01-01T00:00:00Z&capability=refund.request", ["all"]),
        ],
    )
    def test_are_found_by_what_they_reach_and_when_they_began(
        self, ada: User, query: str, found: list[str]
    ) -> None:
        agent = an_agent(ada)
        made = {"all": "*", "one": "booking.cancel", "family": "booking.*"}
        ids = {str(delegated(agent, scope).pk): name for name, scope in made.items()}
        client = client_with(issue(ada, ["agent.read"])[0])

        listed = client.get(f"/api/v1/ledger/delegations?{query}").json()["results"]

        assert sorted(ids[each["id"]] for each in listed) == sorted(found)

"""Scenarios 6 and 7: a subscriber that always fails, and a content system that is down."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from events.domain.envelope import Envelope
from tests.integration.commerce.acting import make_due, work_off, work_off_all
from tests.integration.commerce.api.calling import JSON, Caller, events_of, names_of
from tests.integration.commerce.peers import Peers
from tests.integration.ledger.conftest import grant
from workflows.work import registry
from workflows.work.domain.claim import Claim
from workflows.work.promotion import durable_subscriber

pytestmark = pytest.mark.django_db(transaction=True)

ATTEMPTS_MAX = 8


class TestASubscriberAlwaysFails:
    """Scenario 6: eight attempts, a dead letter that staff are shown, and another try."""

    @pytest.fixture
    def moods(self) -> Iterator[dict[str, Any]]:
        moods: dict[str, Any] = {"is_well": False, "heard": []}

        @durable_subscriber("booking.confirmed", name="lab.always_fails")
        def listens(envelope: Envelope, _claim: Claim) -> None:
            if not moods["is_well"]:
                raise RuntimeError("The partner's system is closed.")
            moods["heard"].append(envelope.event_id)

        yield moods
        registry.forget("subscriber.lab.always_fails")

    def test_until_somebody_has_it_tried_again(
        self, clerk: Caller, booking: JSON, moods: dict[str, Any], client: Client
    ) -> None:
        confirmed = clerk.post(f"bookings/{booking['id']}/confirm")
        assert confirmed["status"] == "confirmed"
        for _ in range(ATTEMPTS_MAX):
            work_off_all(tries=1)

        job = self._it_gave_up_after_eight_attempts(clerk)
        self._nobody_else_was_kept_from_it(clerk, booking)
        self._staff_are_shown_that_a_letter_is_dead(client)
        self._it_is_tried_again_and_hears_it(clerk, job, moods)

    def _it_gave_up_after_eight_attempts(self, clerk: Caller) -> JSON:
        [listed] = clerk.get("jobs", name="subscriber.lab.always_fails")["results"]
        job = clerk.get(f"jobs/{listed['id']}")
        assert job["status"] == "dead"
        assert [each["outcome"] for each in job["attempts"]] == ["failed"] * ATTEMPTS_MAX
        [event] = events_of(clerk, f"job/{job['id']}")
        assert event["name"] == "job.dead_lettered"
        assert (event["data"]["kind"], event["data"]["attempts"]) == (job["name"], ATTEMPTS_MAX)
        make_due()
        assert work_off() == 0
        return job

    def _nobody_else_was_kept_from_it(self, clerk: Caller, booking: JSON) -> None:
        [other] = clerk.get("jobs", name="subscriber.commerce.fulfilment")["results"]
        assert other["status"] == "done"
        assert len(clerk.get(f"bookings/{booking['id']}")["vouchers"]) == 1

    def _staff_are_shown_that_a_letter_is_dead(self, client: Client) -> None:
        client.force_login(grant(User.objects.create_user("operator"), "job.read"))
        letters = client.get("/figures").json()["figures"]["letters"]
        assert letters == {"value": "1", "note": "waiting for a decision", "tone": "dead"}

    def _it_is_tried_again_and_hears_it(
        self, clerk: Caller, job: JSON, moods: dict[str, Any]
    ) -> None:
        moods["is_well"] = True
        clerk.post(f"jobs/{job['id']}/retry", {"reason": "The partner is back."})
        work_off_all()
        done = clerk.get(f"jobs/{job['id']}")
        assert done["status"] == "done"
        assert len(done["attempts"]) == ATTEMPTS_MAX + 1
        assert moods["heard"] == [job["causation_id"]]
        events = events_of(clerk, f"job/{job['id']}")
        assert names_of(events) == ["job.dead_lettered", "job.retried"]
        # Why stands with the job, where it can be taken away: the log keeps for good what it says.
        assert done["reason"] == "The partner is back."
        assert "reason" not in events[-1]["data"]


class TestTheContentSystemIsDown:
    """Scenario 7: products are written all the same; their copies lag, and that can be seen."""

    def test_and_products_are_written_all_the_same(self, clerk: Caller, peers: Peers) -> None:
        wanted = {"name": "Night walk", "currency": "EUR", "sell_amount_cents": 4_500}
        product = clerk.post("products", wanted, gets=201)
        copies = self._copies_of(clerk, product)
        assert [copy["failed_at"] for copy in copies] == [None, None]

        peers.tell(peers.cms, fail=2)
        changed = clerk.patch(f"products/{product['id']}", {"name": "Dawn walk"})

        assert changed["name"] == "Dawn walk"
        events = events_of(clerk, f"product/{product['id']}")
        assert "product.updated" in names_of(events)
        self._both_copies_lag_and_it_can_be_seen(clerk, changed, copies, peers)
        self._the_next_change_heals_them(clerk, changed, peers)

    def _copies_of(self, clerk: Caller, product: JSON, **of: Any) -> list[JSON]:
        found: list[JSON] = clerk.get("external-content", product_id=product["id"], **of)["results"]
        return sorted(found, key=lambda copy: str(copy["system"]))

    def _both_copies_lag_and_it_can_be_seen(
        self, clerk: Caller, product: JSON, before: list[JSON], peers: Peers
    ) -> None:
        lagging = self._copies_of(clerk, product, is_failing="true")
        assert [copy["system"] for copy in lagging] == ["payload-cms", "sanity-cms"]
        for copy, was in zip(lagging, before, strict=True):
            assert "status 503" in copy["last_error"]
            # What is there is what was copied before.
            assert (copy["checksum"], copy["synced_at"]) == (was["checksum"], was["synced_at"])
            assert copy["synced_at"] < copy["failed_at"]
        shown = peers.seen(peers.cms)["payload"][product["id"]]
        assert shown["name"] == "Night walk"

    def _the_next_change_heals_them(self, clerk: Caller, product: JSON, peers: Peers) -> None:
        clerk.patch(f"products/{product['id']}", {"description": "Bring a lamp."})
        assert self._copies_of(clerk, product, is_failing="true") == []
        assert {copy["last_error"] for copy in self._copies_of(clerk, product)} == {""}
        assert peers.seen(peers.cms)["payload"][product["id"]]["name"] == "Dawn walk"

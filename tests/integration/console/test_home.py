"""The state of the installation, as far as the visitor may know it, and the doctor's page."""

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from events import doctor
from tests.integration.console.conftest import Tell, Visitor
from workflows.webhooks.models import Subscription
from workflows.work import liveness
from workflows.work.models import Checkup

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = ("event.read", "job.read", "booking.read", "invoice.read", "system.health")


class TestHome:
    def test_shows_each_figure_to_those_who_may_know_it(self, visitor: Visitor, tell: Tell) -> None:
        tell("tale.begun")
        liveness.polled("worker@test/1", role="celery", queues=["default"])

        figures = visitor(*EVERYTHING).get("/figures").json()["figures"]

        assert figures["rate"]["value"] == "1"
        assert figures["lag"] == {
            "value": "caught up",
            "note": "every event has its position",
            "tone": "ok",
        }
        assert figures["workers"] == {
            "value": "1",
            "note": "none takes from webhooks",
            "tone": "bad",
        }
        assert figures["letters"]["note"] == "nothing to decide"
        assert figures["doctor"]["value"] == "not run yet"

    @pytest.mark.parametrize("page", ["/", "/figures"])
    def test_asks_little_however_long_the_log_is(
        self,
        page: str,
        admin_client: Client,
        tell: Tell,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(40):
            tell("tale.begun")

        with django_assert_max_num_queries(15):
            assert admin_client.get(page).status_code == 200

    def test_counts_starts_by_their_state(self, visitor: Visitor) -> None:
        found = visitor("flow.read").get("/figures").json()["states"]

        states = {key: count for key, count in found.items() if key.startswith("start.")}
        assert states == {"start.on": "0", "start.off": "0", "start.paused": "0"}

    @pytest.mark.parametrize(
        ("capabilities", "note"),
        [
            (("webhook.read",), "who may manage webhooks can enable them again"),
            (
                ("webhook.read", "webhook.manage"),
                "mend the receiver, then “Send messages again”",
            ),
        ],
    )
    def test_tells_of_webhooks_that_were_switched_off_by_themselves(
        self, visitor: Visitor, capabilities: tuple[str, ...], note: str
    ) -> None:
        for standing in ("failing", "active", "paused", "deleted"):
            Subscription.objects.create(
                url="https://crm.example/in", events=["booking.confirmed"], standing=standing
            )
        client = visitor(*capabilities)

        assert client.get("/figures").json()["figures"] == {
            "webhooks": {"value": "1", "note": note, "tone": "bad"}
        }
        page = client.get("/").content.decode()
        assert 'href="/webhooks?status=failing"' in page

    def test_praises_no_receiver_where_there_is_none(self, visitor: Visitor) -> None:
        found = visitor("webhook.read").get("/figures").json()["figures"]

        assert found["webhooks"]["note"] == "there is no receiver"

    def test_says_that_no_webhook_is_switched_off(self, visitor: Visitor) -> None:
        Subscription.objects.create(
            url="https://crm.example/in", events=["booking.confirmed"], standing="active"
        )

        found = visitor("webhook.read").get("/figures").json()["figures"]

        assert found["webhooks"] == {
            "value": "0",
            "note": "every receiver answers",
            "tone": "ok",
        }

    def test_keeps_every_figure_from_those_who_may_not(self, visitor: Visitor) -> None:
        client = visitor("booking.read")

        found = client.get("/figures").json()

        assert found["figures"] == {}
        assert {key.split(".")[0] for key in found["states"]} == {"booking"}

    def test_says_what_to_do_to_those_who_may_see_nothing(self, visitor: Visitor) -> None:
        page = visitor().get("/").content.decode()

        assert "You have no permissions yet" in page
        assert 'href="/events"' not in page
        assert 'href="/admin/"' not in page

    def test_page_and_figures_agree(self, visitor: Visitor, tell: Tell) -> None:
        tell("tale.begun")
        client = visitor(*EVERYTHING)

        page = client.get("/").content.decode()

        for key in client.get("/figures").json()["figures"]:
            assert f'data-figure="{key}"' in page

    def test_tells_an_open_page_whose_session_it_has_and_when_that_has_ended(
        self, client: Client, visitor: Visitor
    ) -> None:
        page = visitor()

        assert page.get("/session").json() == {"user": page.get("/").context["user"].get_username()}
        assert client.get("/session").status_code == 401


class TestDoctor:
    def test_is_for_those_who_may_know_of_its_health(self, visitor: Visitor) -> None:
        assert visitor("job.read").get("/doctor").status_code == 403

    def test_looks_when_it_is_asked_and_keeps_what_it_finds(self, visitor: Visitor) -> None:
        client = visitor("system.health")
        before = client.get("/doctor").content.decode()

        after = client.post("/doctor", follow=True).content.decode()

        assert "It has not run yet" in before
        assert "The doctor looked again" in after
        assert "every stream is gapless from 1" in after
        assert Checkup.objects.count() == 1

    def test_shows_what_is_wrong_first(self, visitor: Visitor) -> None:
        client = visitor("system.health")
        client.post("/doctor")
        last = doctor.checks()[-1].id
        checkup = Checkup.objects.get()
        checkup.findings[last] |= {"count": 1, "violations": ["flow trip"]}
        Checkup.objects.update(findings=checkup.findings)

        page = client.get("/doctor").content.decode()

        shown = re.findall(r'data-label="Check" class="mono"><span>([^<]+)<', page)
        assert shown[0] == last
        assert len(shown) == len(doctor.checks())

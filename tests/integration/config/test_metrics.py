"""/metrics: who may read the figures, and that they are those of the database."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format
from pytest_django import Settings

from events import catalogue, metrics
from events import selectors as log
from events.domain.catalogue import event_type
from events.domain.envelope import Category
from ledger.services import seals as sealing
from tests import worklab
from tests.integration.ledger.approvals import acting, asked, put_into_force
from tests.integration.ledger.conftest import client_with, issue
from tests.live import happen, sequence, written
from workflows.flows.models import AwaitedEvent, FeedCursor, FlowSummary
from workflows.webhooks import selectors as webhooks
from workflows.webhooks.services import sending, subscriptions
from workflows.work import queue, registry, runner
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Checkup, Work, Worker

pytestmark = pytest.mark.django_db(transaction=True)

STATEMENTS = 14
"""Those of a scrape."""


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_superuser("alice")


@pytest.fixture
def scraper(alice: User) -> Any:
    return client_with(issue(alice, ["system.health"])[0])


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is in the catalogue for one test."""
    declared = event_type(
        name="note.written",
        category=Category.DOMAIN,
        meaning="A test says so.",
        schema={"type": "object"},
        stream="note",
    )
    monkeypatch.setitem(catalogue._types, declared.name, declared)


def put(kind: str = "lab.echo", **options: Any) -> WorkRef:
    """Put work on the list."""
    given = {"how": "permanent"} if kind == "lab.fails" else {"n": 1}
    assert registry.get("lab.echo").handler is worklab.echo
    with transaction.atomic():
        return queue.enqueue(kind, subject="s", input=given, **options)


def scraped(scraper: Any, *, of: str = "") -> dict[str, float]:
    """Return the figures by name and, where there is one, value of the label."""
    answer = scraper.get("/metrics")
    assert answer.status_code == 200, answer.content
    samples = [one for family in text_format(answer.content.decode()) for one in family.samples]
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for sample in samples
        if sample.name.startswith(of)
    }


class TestWhoMay:
    def test_a_stranger_learns_nothing(self, db: None) -> None:
        answer = Client().get("/metrics")

        assert answer.status_code == 401
        assert answer.json()["code"] == "not_authenticated"

    def test_a_key_without_the_capability_is_told_which_it_takes(self, alice: User) -> None:
        answer = client_with(issue(alice, ["event.read"])[0]).get("/metrics")

        assert answer.status_code == 403
        assert "system.health" in answer.json()["detail"]


class TestForms:
    def test_are_the_text_format_for_who_asks_for_nothing(self, scraper: Any) -> None:
        answer = scraper.get("/metrics")

        assert answer["Content-Type"].startswith("text/plain; version=")
        assert answer["Cache-Control"] == "no-store"

    def test_are_open_metrics_for_who_asks_for_that_alone(self, scraper: Any) -> None:
        answer = scraper.get("/metrics", HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")

        assert answer["Content-Type"].startswith("application/openmetrics-text")
        families = {family.name: family for family in open_metrics(answer.content.decode())}
        assert families["daybook_events"].type == "counter"
        assert families["daybook_work_due"].type == "gauge"


class TestFigures:
    def test_are_all_that_are_declared(self, scraper: Any) -> None:
        answer = scraper.get("/metrics").content.decode()

        declared = {each.name: each.meaning for each in metrics.every()}
        assert {f"# HELP {name} {meaning}" for name, meaning in declared.items()} <= {
            *answer.splitlines()
        }

    def test_take_these_statements(self, db: None, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(STATEMENTS):
            metrics.figures()

    def test_of_the_log(self, scraper: Any, notes: None) -> None:
        sequence()
        before = scraped(scraper)

        happen((("note", "n"), "note.written"), sequenced=False, n=1)
        waiting = scraped(scraper)
        sequence()
        after = scraped(scraper)

        assert before["daybook_events_unsequenced"] == 0
        assert waiting["daybook_events_unsequenced"] == 1
        assert waiting["daybook_sequencer_lag_seconds"] > 0
        assert after["daybook_events_unsequenced"] == 0
        assert after["daybook_events_total"] == before["daybook_events_total"] + 1

    def test_of_work(self, scraper: Any) -> None:
        late, letter = put(), put("lab.fails")
        put()
        put(delay=timedelta(hours=1))
        Work.objects.filter(pk=late.id).update(due_at=timezone.now() - timedelta(hours=1))
        runner.take([letter.id], worker="w")
        Worker.objects.all().delete()
        for name, seen_at in (("w", timezone.now()), ("x", timezone.now() - timedelta(days=1))):
            Worker.objects.create(name=name, role="celery", started_at=seen_at, seen_at=seen_at)

        found = scraped(scraper)

        assert (found["daybook_work/ready"], found["daybook_work/scheduled"]) == (2, 1)
        assert found["daybook_work_due"] == 2
        assert 3600 <= found["daybook_work_oldest_due_seconds/lab.echo"] < 3700
        assert (found["daybook_workers/alive"], found["daybook_workers/stale"]) == (1, 1)
        assert found["daybook_work/dead"] == 1
        assert found["daybook_work_dead_letters/lab.fails"] == 1
        assert "daybook_work_dead_letters/lab.echo" not in found

    def test_of_the_doctor(self, scraper: Any) -> None:
        assert scraped(scraper, of="daybook_doctor") == {}
        Checkup.objects.create(
            is_healthy=False,
            duration_ms=1,
            checked_at=timezone.now() - timedelta(minutes=5),
            findings={"I2": {"count": 0}, "I12": {"count": 3}},
        )

        found = scraped(scraper, of="daybook_doctor")

        assert found["daybook_doctor_violations/I2"] == 0
        assert found["daybook_doctor_violations/I12"] == 3
        assert 300 <= found["daybook_doctor_age_seconds"] < 400

    def test_of_flows(self, scraper: Any, notes: None) -> None:
        for flow_id, status, is_paused in (
            ("under-way", "active", False),
            ("paused", "active", True),
            ("over", "completed", False),
        ):
            FlowSummary.objects.create(
                flow_id=flow_id,
                status=status,
                is_paused=is_paused,
                outcome=status,
                status_at=timezone.now(),
                started_at=timezone.now(),
            )
        written(3)
        FeedCursor.objects.create(name="flows", position=log.head_position() - 2)

        nobody_waits = scraped(scraper, of="daybook_flow")
        AwaitedEvent.objects.create(
            flow_id="under-way", step_id="w", token=uuid4(), event_name="wind.rose"
        )
        somebody_waits = scraped(scraper, of="daybook_flow")

        assert nobody_waits == {
            "daybook_flows_active": 2,
            "daybook_flows_paused": 1,
            "daybook_flow_follower_lag_events": 0,
        }
        assert somebody_waits == {**nobody_waits, "daybook_flow_follower_lag_events": 2}

    def test_of_webhooks(self, scraper: Any, alice: User, settings: Settings) -> None:
        settings.HTTP_ALLOW = ["127.0.0.0/8"]
        name = webhooks.external_types()[0].name
        with acting(alice):
            asked, _ = subscriptions.create_subscription(
                url="https://127.0.0.1:9/x", events=(name,)
            )
            paused, _ = subscriptions.create_subscription(
                url="https://127.0.0.1:9/y", events=(name,)
            )
            sending.send_test(subscription_id=asked.pk)
            subscriptions.disable_subscription(subscription_id=paused.pk)

        found = scraped(scraper, of="daybook_webhook")

        assert found == {
            "daybook_webhook_deliveries_pending": 1,
            "daybook_webhook_subscriptions/active": 1,
            "daybook_webhook_subscriptions/paused": 1,
            "daybook_webhook_subscriptions/gone": 0,
            "daybook_webhook_subscriptions/failing": 0,
        }

    def test_of_the_ledger(self, scraper: Any, alice: User) -> None:
        assert scraped(scraper)["daybook_approvals_pending"] == 0
        with acting(alice):
            put_into_force()
            asked(amount_cents=5)

        waiting = scraped(scraper)
        sealing.seal_entries()
        sealed = scraped(scraper)

        assert waiting["daybook_approvals_pending"] == 1
        assert waiting["daybook_ledger_seal_lag_seconds"] > 0
        entries = waiting["daybook_ledger_entries_unsealed"]
        assert entries > 0
        assert sealed["daybook_ledger_entries_unsealed"] == 0
        assert sealed["daybook_ledger_entries_sealed_total"] == entries

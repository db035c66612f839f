"""Lists over tables that only grow find what is asked for without reading all of it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import IntegerField, Model, QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from events import selectors
from events.admin_lists import ReadOnlyAdmin
from events.models import StoredEvent
from ledger import timelines
from ledger.domain.reversals import State
from ledger.models import Approval, Checkpoint, Entry, LegalHold
from tests.support.planner import forget_statistics
from workflows.flows.argyll import listing
from workflows.flows.models import AwaitedEvent, FlowSummary
from workflows.webhooks.models import Attempt as WebhookAttempt
from workflows.webhooks.models import Delivery
from workflows.work import selectors as selectors_of_work
from workflows.work.models import Attempt, Work, WorkQuerySet

pytestmark = pytest.mark.django_db

WITH_INDEXES = {ReadOnlyAdmin.get_search_results}

GROWING: list[type[Model]] = [
    StoredEvent, Entry, FlowSummary, Delivery, WebhookAttempt, Work, Attempt,
]  # fmt: skip


def plan_of(rows: QuerySet[Any], *indexes: str) -> str:
    """Return how PostgreSQL reads `rows` in a table so large that one of `indexes` is worth it.

    The table has no others, but those of its constraints: nearly empty as it is here, a detour
    by any of them may cost less.
    """
    forget_statistics()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT index.relname FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid"
            " WHERE indrelid = %s::regclass AND NOT indisunique AND index.relname <> ALL (%s)",
            [rows.model._meta.db_table, list(indexes)],
        )
        for (other,) in cursor.fetchall():
            cursor.execute(f'DROP INDEX "{other}"')
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    return rows.explain()


@pytest.mark.parametrize(
    ("fact", "index"),
    [("subject", "work_finished_by_subject"), ("correlation_id", "work_finished_by_story")],
)
def test_work_is_found_by_what_it_is_about(fact: str, index: str) -> None:
    indexes = {index, "work_due", "work_leases"}

    plan = plan_of(Work.objects.about(**{fact: "x"}).order_by("-id")[:51], *indexes)

    assert indexes <= set(plan.replace(":", " ").split()), plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(
    "narrowed",
    [
        lambda jobs: jobs.of_kind("x"),
        lambda jobs: jobs.of_kind("x").filter(status="done"),
        lambda jobs: jobs.filter(status="discarded"),
        lambda jobs: jobs.filter(status__in=["done", "cancelled"], kind="x"),
        selectors_of_work.without_housekeeping,
    ],
    ids=["kind", "kind and status", "status", "statuses", "without housekeeping"],
)
def test_finished_work_is_found_by_kind_and_status(
    narrowed: Callable[[WorkQuerySet], WorkQuerySet],
) -> None:
    indexes = "work_finished_by_kind", "work_due", "work_leases"

    plan = plan_of(narrowed(Work.objects.all()).order_by("-id")[:51], *indexes)

    assert "work_finished_by_kind" in plan
    assert "Seq Scan" not in plan


def test_flows_are_found_by_a_goal() -> None:
    plan = plan_of(listing.roots().filter(goals__contains=["ship"]), "flows_by_goal")

    assert "Bitmap Index Scan on flows_by_goal" in plan


def test_events_are_found_by_their_name() -> None:
    plan = plan_of(StoredEvent.objects.filter(name="invoice.settled"), "events_by_name")

    assert "Bitmap Index Scan on events_by_name" in plan


def test_events_are_found_by_a_pattern_of_their_names() -> None:
    values: Any
    named, values = selectors._name_conditions(["invoice.*", "booking.confirmed"])
    plan_of(StoredEvent.objects.all(), "events_by_name", "events_by_family")

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN SELECT FROM events_event e WHERE TRUE {named}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Bitmap Index Scan on events_by_name" in plan
    assert "Bitmap Index Scan on events_by_family" in plan


def test_flows_are_listed_for_clients_of_the_engine_without_sorting_them() -> None:
    rows: Any = listing._matching(listing.Query())
    rows = rows.order_by("group", "-status_at", "flow_id")
    plan_of(rows, "flows_active_first")

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = on")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    page = rows[:100].explain()

    assert "using flows_active_first" in page
    assert "Sort" not in page


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"capability_id": "product.create"}, "ledger_entries_by_word"),
        ({"evaluated_risk__in": ["critical", "high"]}, "ledger_entries_of_grave_risk"),
        ({"evaluated_risk": "high", "status": "denied"}, "ledger_entries_of_grave_risk"),
        ({"status": "denied"}, "ledger_entries_of_unusual_end"),
        ({"status__in": ["failed", "expired"]}, "ledger_entries_of_unusual_end"),
    ],
)
def test_entries_are_found_by_what_is_rare(asked: dict[str, Any], index: str) -> None:
    plan = plan_of(Entry.objects.filter(**asked), index)

    assert f"Bitmap Index Scan on {index}" in plan


def test_what_cannot_be_undone_is_read_in_the_order_of_entries() -> None:
    asked = timelines.whose_reversal_is([State.NOT_REVERSIBLE])

    plan = Entry.objects.filter(asked).order_by("-occurred_at", "-id")[:51].explain()

    assert "Anti Join" in plan


def test_deliveries_are_found_by_their_event() -> None:
    plan = plan_of(Delivery.objects.of_event("x"), "webhooks_sent_again")

    assert "Bitmap Index Scan on webhooks_event_is_sent_once_per_subscription" in plan
    assert "Bitmap Index Scan on webhooks_sent_again" in plan


@pytest.mark.parametrize("fate", ["failed", "abandoned"])
def test_deliveries_that_were_given_up_are_found_by_that(fate: str) -> None:
    plan = plan_of(Delivery.objects.filter(status=fate), "webhooks_given_up")

    assert "Bitmap Index Scan on webhooks_given_up" in plan


FEW = {
    (Approval, "=correlation_id"),
    (AwaitedEvent, "=flow_id"),
    (Checkpoint, "=root"),
    (LegalHold, "=subject"),
}
"""Of these there are so few that to read them all takes no time."""

SEARCHED = [
    (model, field)
    for model, page in admin.site._registry.items()
    if isinstance(page, ReadOnlyAdmin) and type(page).get_search_results in WITH_INDEXES
    for field in page.search_fields
    if all(each[0] in "=^" for each in page.search_fields) and (model, field) not in FEW
]


@pytest.mark.parametrize(
    ("model", "field"), SEARCHED, ids=lambda it: it if isinstance(it, str) else it._meta.label
)
def test_the_search_of_the_admin_reads_no_whole_table(model: type[Model], field: str) -> None:
    page = admin.site.get_model_admin(model)
    begins = model._meta.get_field(field[1:].partition("__")[0])
    term = "7" if isinstance(begins, IntegerField) else "0190a1b2-0000-7000-8000-000000000000"
    forget_statistics()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")

    [rows] = page._by_each([field], term)  # type: ignore[attr-defined]

    assert "Seq Scan" not in rows.explain()


@pytest.mark.parametrize("model", GROWING, ids=lambda model: model._meta.label)
class TestAdmin:
    def test_searches_by_what_an_index_knows(self, model: type[Model]) -> None:
        page = admin.site.get_model_admin(model)

        assert all(field[0] in "=^" for field in page.search_fields)

    def test_counts_no_further_than_anybody_pages(self, model: type[Model]) -> None:
        page = admin.site.get_model_admin(model)

        assert page.show_full_result_count is False
        assert page.paginator.__name__ == "BoundedPaginator"

    def test_offers_no_counts_by_filter(self, model: type[Model]) -> None:
        assert admin.site.get_model_admin(model).show_facets is admin.ShowFacets.NEVER

    def test_gathers_no_values_of_the_whole_table(self, model: type[Model]) -> None:
        client = Client()
        client.force_login(User.objects.create_superuser("chief"))
        meta = model._meta

        with CaptureQueriesContext(connection) as asked:
            client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))

        of_ours = [q["sql"] for q in asked.captured_queries if f'"{meta.db_table}"' in q["sql"]]
        assert of_ours
        # What is neither is the page: Django cuts it if there is more than one.
        gathered = [sql for sql in of_ours if "DISTINCT" in sql or "COUNT(" in sql]
        assert [sql for sql in gathered if "DISTINCT" in sql or "LIMIT" not in sql] == []

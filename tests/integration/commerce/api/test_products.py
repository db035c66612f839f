from typing import Any
from uuid import uuid4

from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from commerce.models import Product, Slot
from events import selectors
from tests.integration.commerce.api.conftest import Keyed

NEW = {"name": "Night walk", "currency": "EUR", "sell_amount_cents": 4_500}


class TestProducts:
    def test_adds_one_and_says_where_it_is(self, admin: APIClient) -> None:
        answer = admin.post("/api/v1/products", NEW)

        assert answer.status_code == 201
        assert answer["Location"] == f"/api/v1/products/{answer.json()['id']}"
        assert answer["ETag"] == '"1"'
        shown = admin.get(answer["Location"]).json()
        assert shown == answer.json()
        assert (shown["status"], shown["sell_amount_cents"]) == ("draft", 4_500)

    def test_records_the_fact_after_the_row(self, admin: APIClient) -> None:
        id_ = admin.post("/api/v1/products", NEW).json()["id"]

        [created] = selectors.stream_events(("product", id_))
        assert (created.name, created.data) == ("product.created", {"id": id_})
        assert created.event_id == f"evt_product_created_{id_}_1"
        assert created.principal.kind == "api_key"

    def test_costs_one_statement_for_each_thing_that_is_said(self, keyed: Keyed) -> None:
        clerk = keyed("product.create")
        clerk.post("/api/v1/products", NEW)  # Who has just been seen is not noted down again.

        with CaptureQueriesContext(connection) as queries:
            assert clerk.post("/api/v1/products", NEW).status_code == 201

        statements = [query["sql"].split("\n")[0] for query in queries]
        written = [sql for sql in statements if "SELECT k.*" not in sql]
        assert len(statements) - len(written) == 1  # The key, its owner, and all that they may do.
        assert [sql.split()[0] for sql in written] == [
            "BEGIN",
            "INSERT",  # the row
            "SELECT",  # events_append_one
            "SELECT",  # who listens
            "WITH",  # the entry
            "COMMIT",
        ], "\n".join(statements)

    def test_does_a_repeated_request_once(self, admin: APIClient) -> None:
        key = str(uuid4())

        first = admin.post("/api/v1/products", NEW, headers={"Idempotency-Key": key})
        again = admin.post("/api/v1/products", NEW, headers={"Idempotency-Key": key})

        assert again.json() == first.json()
        assert again["Idempotency-Replayed"] == "true"
        assert Product.objects.count() == 1

    def test_changes_what_is_named_and_nothing_else(
        self, admin: APIClient, product: Product
    ) -> None:
        answer = admin.patch(
            f"/api/v1/products/{product.pk}",
            {"sell_amount_cents": 13_000},
            headers={"If-Match": '"1"'},
        )

        assert answer.status_code == 200
        assert answer["ETag"] == '"2"'
        assert answer.json()["sell_amount_cents"] == 13_000
        assert answer.json()["name"] == "Harbour cruise"
        assert selectors.stream_events(("product", str(product.pk)))[-1].name == "product.updated"

    def test_refuses_a_change_on_an_old_picture(self, admin: APIClient, product: Product) -> None:
        url = f"/api/v1/products/{product.pk}"
        admin.patch(url, {"name": "First"}, headers={"If-Match": '"1"'})

        late = admin.patch(url, {"name": "Second"}, headers={"If-Match": '"1"'})
        blind = admin.patch(url, {"name": "Third"})

        assert (late.status_code, late.json()["code"]) == (412, "version_moved")
        assert (blind.status_code, blind.json()["code"]) == (428, "if_match_required")
        assert Product.objects.get(pk=product.pk).name == "First"

    def test_refuses_a_field_that_cannot_change(self, admin: APIClient, product: Product) -> None:
        answer = admin.patch(
            f"/api/v1/products/{product.pk}", {"currency": "USD"}, headers={"If-Match": '"1"'}
        )

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/currency"

    def test_deletes_one_that_was_never_offered(self, admin: APIClient) -> None:
        id_ = admin.post("/api/v1/products", NEW).json()["id"]

        gone = admin.delete(f"/api/v1/products/{id_}", headers={"If-Match": '"1"'})

        assert gone.status_code == 204
        assert not Product.objects.filter(pk=id_).exists()
        assert selectors.stream_events(("product", id_))[-1].name == "product.deleted"

    def test_refuses_to_delete_one_that_was_offered(
        self, admin: APIClient, product: Product, slot: Slot
    ) -> None:
        answer = admin.delete(f"/api/v1/products/{product.pk}", headers={"If-Match": '"1"'})

        assert (answer.status_code, answer.json()["code"]) == (409, "product_in_use")
        assert Product.objects.filter(pk=product.pk).exists()
        assert len(selectors.stream_events(("product", str(product.pk)))) == 1

    def test_lists_by_status_and_refuses_what_it_does_not_know(
        self, admin: APIClient, product: Product
    ) -> None:
        admin.post("/api/v1/products", NEW)

        active = admin.get("/api/v1/products?status=active").json()["results"]
        either = admin.get("/api/v1/products?status=active,draft").json()["results"]
        wrong = admin.get("/api/v1/products?status=blue")
        misspelt = admin.get("/api/v1/products?stauts=active")

        assert [row["id"] for row in active] == [str(product.pk)]
        assert len(either) == 2
        assert (wrong.status_code, misspelt.status_code) == (400, 400)

    def test_pages_without_repeating(self, admin: APIClient) -> None:
        for number in range(5):
            admin.post("/api/v1/products", {**NEW, "name": f"Walk {number}"})

        seen, url = [], "/api/v1/products?page_size=2"
        while url:
            page = admin.get(url).json()
            seen += [row["name"] for row in page["results"]]
            url = page["next"]

        assert seen == [f"Walk {number}" for number in reversed(range(5))]

    def test_refuses_who_may_only_look(self, keyed: Keyed) -> None:
        viewer = keyed("product.read")

        assert viewer.get("/api/v1/products").status_code == 200
        assert viewer.post("/api/v1/products", NEW).status_code == 403
        assert not Product.objects.exists()

    def test_refuses_amounts_that_are_none(self, admin: APIClient) -> None:
        for wrong in (-1, 10**15, 1.5, "12"):
            body: dict[str, Any] = {**NEW, "sell_amount_cents": wrong}
            assert admin.post("/api/v1/products", body).status_code in {400, 201}, wrong
        assert Product.objects.filter(sell_amount_cents__lt=0).count() == 0


class TestSlots:
    def test_adds_a_departure(self, admin: APIClient, product: Product) -> None:
        answer = admin.post(
            "/api/v1/slots",
            {"product_id": str(product.pk), "starts_at": "2030-05-01T09:00:00Z", "capacity": 12},
        )

        assert answer.status_code == 201
        assert answer.json()["remaining"] == 12

    def test_refuses_the_same_departure_twice(
        self, admin: APIClient, product: Product, slot: Slot
    ) -> None:
        answer = admin.post(
            "/api/v1/slots",
            {"product_id": str(product.pk), "starts_at": slot.starts_at.isoformat()},
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "slot_exists")

    def test_changes_the_capacity(self, admin: APIClient, slot: Slot) -> None:
        answer = admin.patch(
            f"/api/v1/slots/{slot.pk}", {"capacity": 4}, headers={"If-Match": '"1"'}
        )

        assert (answer.json()["capacity"], answer.json()["remaining"]) == (4, 4)


class TestPolicies:
    RULES = [
        {"days_before": 14, "refund_bp": 10_000, "refund_type": "cash"},
        {"days_before": 0},
    ]

    def test_drafts_publishes_and_retires(self, admin: APIClient) -> None:
        body = {"name": "Two weeks", "currency": "EUR", "rules": self.RULES}
        policy = admin.post("/api/v1/cancellation-policies", body).json()
        url = f"/api/v1/cancellation-policies/{policy['id']}"
        first = policy["versions"][0]["id"]

        published = admin.post(f"{url}/versions/{first}/publish")
        second = admin.post(f"{url}/versions", {"currency": "EUR", "rules": self.RULES}).json()
        admin.post(f"{url}/versions/{second['id']}/publish")

        assert published.json()["status"] == "published"
        statuses = [version["status"] for version in admin.get(url).json()["versions"]]
        assert statuses == ["retired", "published"]

    def test_refuses_a_ladder_without_a_last_day(self, admin: APIClient) -> None:
        body = {"name": "Open end", "currency": "EUR", "rules": self.RULES[:1]}

        answer = admin.post("/api/v1/cancellation-policies", body)

        assert (answer.status_code, answer.json()["code"]) == (422, "policy_not_publishable")
        assert "0 days" in answer.json()["detail"]

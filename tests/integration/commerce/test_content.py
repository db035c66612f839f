"""Two content systems listen to products. Whatever happens there, a product never notices."""

import logging

import pytest
from django.test import override_settings
from django.utils import timezone

from commerce.models import ExternalContent, Product
from commerce.ports import http
from commerce.services import products
from events import bus, selectors
from events.domain.envelope import Category, Envelope, Source
from events.domain.principal import SYSTEM
from tests.integration.commerce.peers import Peers
from tests.peers import receiver


def make() -> Product:
    return products.create_product(name="Night walk", currency="EUR", sell_amount_cents=4_500)


def copies(product: Product) -> dict[str, ExternalContent]:
    return {row.system: row for row in ExternalContent.objects.filter(product_id=product.pk)}


class TestProducts:
    def test_are_written_first_and_then_told_of(self, transactional_db: None) -> None:
        found: list[tuple[str, list[str]]] = []

        def note(envelope: Envelope) -> None:
            rows = Product.objects.filter(pk=envelope.data["id"])
            found.append((envelope.name, list(rows.values_list("name", flat=True))))

        bus.before_commit("product.*", note)
        product = make()
        products.update_product(product_id=product.pk, name="Dawn walk")
        products.delete_product(product_id=product.pk)

        assert found == [
            ("product.created", ["Night walk"]),
            ("product.updated", ["Dawn walk"]),
            ("product.deleted", []),
        ]


class TestMirror:
    def test_copies_a_new_product_into_both(self, transactional_db: None, peers: Peers) -> None:
        product = make()

        seen = peers.seen(peers.cms)
        assert seen["payload"][str(product.pk)]["name"] == "Night walk"
        assert seen["sanity"][f"product-{product.pk}"]["priceCents"] == 4_500
        assert set(copies(product)) == {"payload-cms", "sanity-cms"}
        assert all(row.synced_at and not row.last_error for row in copies(product).values())

    def test_never_tells_what_it_costs_us(self, transactional_db: None, peers: Peers) -> None:
        products.create_product(
            name="Walk", currency="EUR", sell_amount_cents=9, cost_amount_cents=7, supplier="Secret"
        )

        assert "Secret" not in str(peers.seen(peers.cms))
        assert "cost" not in str(peers.seen(peers.cms)).lower()

    def test_follows_changes_and_takes_the_copy_away_at_the_end(
        self, transactional_db: None, peers: Peers
    ) -> None:
        product = make()
        before = copies(product)["payload-cms"].checksum

        products.update_product(product_id=product.pk, name="Dawn walk")
        assert peers.seen(peers.cms)["payload"][str(product.pk)]["name"] == "Dawn walk"
        assert copies(product)["payload-cms"].checksum != before

        products.delete_product(product_id=product.pk)
        assert peers.seen(peers.cms)["payload"] == {}
        assert peers.seen(peers.cms)["sanity"] == {}
        assert copies(product) == {}

    def test_hears_nothing_of_what_was_rolled_back(
        self, transactional_db: None, peers: Peers
    ) -> None:
        def refuse(_envelope: Envelope) -> None:
            raise RuntimeError("rolled back")

        bus.before_commit("product.created", refuse)
        with pytest.raises(RuntimeError):
            make()

        assert not Product.objects.exists()
        assert peers.seen(peers.cms)["calls"] == []
        assert selectors.feed(after=0, limit=10, streams=[("product",)], names=None) == []


class TestHarmlessness:
    def test_of_a_content_system_that_fails(
        self, transactional_db: None, peers: Peers, caplog: pytest.LogCaptureFixture
    ) -> None:
        peers.tell(peers.cms, fail=2)

        with caplog.at_level(logging.ERROR):
            product = make()

        assert Product.objects.filter(pk=product.pk).exists()
        assert all("status 503" in row.last_error for row in copies(product).values())
        assert [record.message for record in caplog.records] == [
            "The copy of a product could not be made."
        ] * 2

    def test_of_one_while_the_other_works(self, transactional_db: None, peers: Peers) -> None:
        peers.tell(peers.cms, fail=1)

        product = make()

        assert copies(product)["payload-cms"].failed_at is not None
        assert copies(product)["sanity-cms"].failed_at is None

    def test_of_one_that_hangs(self, transactional_db: None, peers: Peers) -> None:
        peers.tell(peers.cms, hang_s=30)

        product = make()

        assert all("Timeout" in row.last_error for row in copies(product).values())
        peers.tell(peers.cms, hang_s=0)

    def test_of_one_that_cannot_be_reached(self, transactional_db: None) -> None:
        with override_settings(COMMERCE_CMS_URL="http://127.0.0.1:9/cms"):
            product = make()

        assert all("ConnectError" in row.last_error for row in copies(product).values())

    def test_of_none_at_all(self, transactional_db: None) -> None:
        with override_settings(COMMERCE_CMS_URL=""):
            product = make()

        assert copies(product) == {}

    def test_of_an_event_that_names_no_product(self, transactional_db: None, peers: Peers) -> None:
        bus.deliver(
            Envelope(
                name="product.updated",
                data={"id": 7},
                category=Category.DOMAIN,
                source=Source.SERVICE,
                event_id="evt_x",
                principal=SYSTEM,
                correlation_id="cor_x",
                emitted_at=timezone.now(),
            )
        )

        assert peers.seen(peers.cms)["calls"] == []

    def test_heals_with_the_next_change(self, transactional_db: None, peers: Peers) -> None:
        peers.tell(peers.cms, fail=2)
        product = make()

        products.update_product(product_id=product.pk, name="Dawn walk")

        assert all(not row.last_error and not row.failed_at for row in copies(product).values())


class TestHttp:
    def test_does_not_take_a_redirect_for_done(self) -> None:
        with (
            receiver((301, {"Location": "https://cms.example/x"}, b"")) as peer,
            pytest.raises(http.PeerRefused) as refused,
        ):
            http.call("cms", "POST", f"http://127.0.0.1:{peer.port}", "/x", timeout_s=5)

        assert refused.value.facts["status"] == 301
        assert len(peer.received) == 1

    def test_says_of_a_peer_without_address_that_it_is_missing(self) -> None:
        with pytest.raises(http.PeerMissing):
            http.call("mail service", "GET", "", "/", timeout_s=1)

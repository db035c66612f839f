"""Who is told of events, what was sent to them, and sending it again."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from events import context
from events.domain.principal import SYSTEM
from ledger.models import Approval, Entry
from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from tests.integration.ledger.approvals import put_into_force, say
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.webhooks.conftest import (
    OPERATOR,
    _events_of_a_parcel_service,  # noqa: F401 - a fixture.
    _loopback_is_allowed,  # noqa: F401 - a fixture.
    happens,
    let_time_pass,
    peer,  # noqa: F401 - a fixture.
    subscribed,
    work_off,
)
from tests.peers import Receiver, Reply
from workflows.webhooks.models import Delivery, DeliveryStatus, Subscription
from workflows.webhooks.services import subscriptions

pytestmark = pytest.mark.django_db(transaction=True)

READS, REPLAYS = "webhook.read", "webhook.replay"
BROKEN: Reply = (500, {}, b"oops <b>")
NOBODYS = UUID("0f0e8a3e-0000-4000-8000-000000000000")


def given_up(peer: Receiver, count: int = 1) -> Subscription:  # noqa: F811
    """Return a subscription whose messages were not accepted, and were given up."""
    subscription, _ = subscribed(peer.url)
    for number in range(count):
        happens(parcel=f"p{number}")
    now = timezone.now()
    Delivery.objects.update(status=DeliveryStatus.FAILED, error="Gone wrong.", finished_at=now)
    return subscription


def last_hour() -> dict[str, str]:
    now = timezone.now()
    return {
        "since": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%MZ}",
        "until": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%MZ}",
    }


def shown_in(page: str) -> list[str]:
    return re.findall(r'href="/webhooks/deliveries/([0-9a-f-]{36})"', page)


class TestPages:
    @pytest.mark.parametrize(
        "address",
        [
            "/webhooks",
            "/webhooks/deliveries",
            f"/webhooks/{NOBODYS}",
            f"/webhooks/deliveries/{NOBODYS}",
        ],
    )
    def test_are_for_who_may_see_webhooks(
        self, client: Client, visitor: Visitor, address: str
    ) -> None:
        assert client.get(address)["Location"] == f"/login/?next={address}"
        page_of(visitor(), address, status=403)

    def test_say_what_to_do_where_there_is_nothing(self, visitor: Visitor) -> None:
        client = visitor(READS)

        assert "POST /api/v1/webhooks/subscriptions" in page_of(client, "/webhooks")
        assert "No deliveries yet" in page_of(client, "/webhooks/deliveries")
        page_of(client, f"/webhooks/{NOBODYS}", status=404)
        page_of(client, f"/webhooks/deliveries/{NOBODYS}", status=404)

    def test_show_each_attempt_its_answer_and_the_next_try(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscribed(peer.url)
        event = happens()
        client = visitor(READS)
        address = f"/webhooks/deliveries/{Delivery.objects.get().pk}"
        assert "as soon as a worker is free" in page_of(client, "/webhooks/deliveries")
        assert "No attempts yet." in page_of(client, address)

        peer.replies = [BROKEN]
        work_off()
        page = page_of(client, address)

        assert "The last attempt failed: The receiver answered 500." in page
        assert "Next attempt: <time" in page
        assert "oops &lt;b&gt;" in page
        assert f'href="/events/{event.event_id}"' in page
        assert "/jobs/" not in page, "they may not see jobs"

        let_time_pass()
        peer.replies = [(204, {}, b"")]
        work_off()
        assert '<span class="chip" data-tone="ok">delivered</span>' in page_of(client, address)

    def test_show_addresses_whole_to_who_may_change_them_and_find_them_by_what_is_shown(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        origin = f"http://127.0.0.1:{peer.port}"
        mine, _ = subscribed(f"{origin}/in/hush-1?key=hush-2")
        happens()
        reader = visitor(READS)
        manager = visitor(READS, "webhook.manage", name="bo")

        for path in (
            "/webhooks",
            "/webhooks/deliveries",
            f"/webhooks/deliveries?subscription={mine.pk}",
            f"/webhooks/{mine.pk}",
            f"/webhooks/deliveries/{Delivery.objects.get().pk}",
        ):
            shown = page_of(reader, path).replace("<wbr>", "")
            assert "hush" not in shown, path
            assert f"{origin}/…" in shown, path
            assert "hush-1" in page_of(manager, path).replace("<wbr>", ""), path
        link = f'href="/webhooks/{mine.pk}"'
        for part, is_found in (("hush-1", False), ("key=", False), (str(peer.port), True)):
            address = f"/webhooks?url={part}"
            assert (link in page_of(reader, address)) is is_found, part
            assert link in page_of(manager, address), part

    def test_filter_by_what_the_address_says(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        mine = given_up(peer)
        other, _ = subscribed(peer.url, "parcel.lost")
        event = happens("parcel.lost")
        client = visitor(READS)
        of_mine, of_other = (
            str(Delivery.objects.get(subscription=each).pk) for each in (mine, other)
        )

        for query, expected in (
            ("", [of_other, of_mine]),
            ("?status=failed", [of_mine]),
            (f"?subscription={other.pk}", [of_other]),
            ("?event=parcel.lost", [of_other]),
            (f"?event_id={event.event_id}", [of_other]),
            ("?event=parcel.lost&status=failed", []),
            ("?since=1h", [of_other, of_mine]),
            ("?until=1h", []),
        ):
            assert shown_in(page_of(client, f"/webhooks/deliveries{query}")) == expected, query
        for wrong in ("since=noon", "purpose=fun", "subscription=7", "before=x"):
            page_of(client, f"/webhooks/deliveries?{wrong}", status=400)

    def test_turn_the_pages_without_leaving_any_out(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        given_up(peer, 51)
        # What is made in one transaction has one moment.
        Delivery.objects.update(created_at=timezone.now())
        client = visitor(READS)

        with django_assert_max_num_queries(12):
            first = page_of(client, "/webhooks/deliveries?status=failed")
        older = re.search(r'href="(\?[^"]+)" rel="next"', first)
        assert older
        second = page_of(client, f"/webhooks/deliveries{older[1].replace('&amp;', '&')}")

        seen = shown_in(first) + shown_in(second)
        assert len(shown_in(first)) == 50
        assert len(seen) == len(set(seen)) == 51
        assert 'href="?status=failed">Newest' in second

    def test_find_subscriptions_by_standing(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        mine = given_up(peer)
        client = visitor(READS)
        link = f'href="/webhooks/{mine.pk}"'

        assert link in page_of(client, "/webhooks?status=active")
        assert link not in page_of(client, "/webhooks?status=failing")
        assert "active <b>1</b>" in page_of(client, "/webhooks")
        assert "<b>" not in page_of(client, "/webhooks?url=nowhere").partition("</nav>")[2][:2000]


class TestSendingAgain:
    def test_is_offered_to_who_may(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription = given_up(peer)
        reader, operator = visitor(READS), visitor(READS, REPLAYS, name="bob")
        one = f"/webhooks/deliveries/{Delivery.objects.get().pk}"

        for address in (one, f"/webhooks/{subscription.pk}"):
            assert f'action="{address}/replay"' not in page_of(reader, address)
            assert f'action="{address}/replay"' in page_of(operator, address)
            assert reader.post(f"{address}/replay", last_hour()).status_code == 403
        assert Delivery.objects.count() == 1

    def test_repeats_one_message_and_shows_it(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        given_up(peer)
        first = Delivery.objects.get()
        client = visitor(READS, REPLAYS)

        answer = client.post(f"/webhooks/deliveries/{first.pk}/replay")

        again = Delivery.objects.get(replay_of=first)
        assert answer["Location"] == f"/webhooks/deliveries/{again.pk}"
        assert f'href="{answer["Location"]}"' in page_of(client, f"/webhooks/deliveries/{first.pk}")
        # It is on its way now: nothing is offered twice.
        assert "/replay" not in page_of(client, answer["Location"])
        assert client.post(f"/webhooks/deliveries/{NOBODYS}/replay").status_code == 404

    def test_repeats_what_was_given_up_in_a_range_once(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription = given_up(peer, 2)
        client = visitor(READS, REPLAYS)
        address = f"/webhooks/{subscription.pk}"

        page = client.post(f"{address}/replay", last_hour(), follow=True).content.decode()
        twice = client.post(f"{address}/replay", last_hour(), follow=True).content.decode()

        assert "2 messages are sent again." in page
        assert "No message failed in this period" in twice
        assert Delivery.objects.filter(purpose="replay").count() == 2
        [entry] = Entry.objects.filter(action_name="webhook.replay_given_up", status="succeeded")[
            :1
        ]
        assert entry.principal_id == str(User.objects.get(username="ada").pk)

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            ({"since": "1h", "until": "2h"}, "Give a time after the first one."),
            ({"since": "1h"}, "Give a time."),
            ({"since": "2026-01-31T18:00", "until": "1h"}, "a time with its offset"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong_with_a_range(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
        asked: dict[str, str],
        says: str,
    ) -> None:
        subscription = given_up(peer)

        answer = visitor(READS, REPLAYS).post(f"/webhooks/{subscription.pk}/replay", asked)

        page = answer.content.decode()
        assert answer.status_code == 400
        assert says in page
        assert 'aria-invalid="true"' in page
        assert '<details class="action" open>' in page
        assert not Delivery.objects.filter(purpose="replay").exists()

    def test_is_not_offered_where_nothing_is_sent(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription = given_up(peer)
        with context.acting(OPERATOR):
            subscriptions.disable_subscription(subscription_id=subscription.pk)
        client = visitor(READS, REPLAYS)
        address = f"/webhooks/{subscription.pk}"

        assert "/replay" not in page_of(client, address)
        refused = client.post(f"{address}/replay", last_hour(), follow=True).content.decode()
        assert "Enable it first." in refused

    def test_waits_for_who_has_to_agree(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription = given_up(peer)
        decider = grant(User.objects.create_user("decider"), "approval.decide")
        with context.acting(SYSTEM):
            put_into_force(capabilities=("webhook.replay",), condition="")
        client, asked = visitor(READS, REPLAYS), last_hour()

        answer = client.post(f"/webhooks/{subscription.pk}/replay", asked)

        approval = Approval.objects.get()
        assert answer["Location"] == f"/approvals/{approval.pk}"
        assert not Delivery.objects.filter(purpose="replay").exists()
        page_of(client, answer["Location"])

        say(approval, decider)
        client.post(f"/webhooks/{subscription.pk}/replay", asked)
        assert Delivery.objects.filter(purpose="replay").count() == 1

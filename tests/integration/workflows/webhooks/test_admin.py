"""The admin shows everything and changes nothing but through services."""

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from events import context
from events.domain.principal import SYSTEM
from ledger.models import Approval
from tests.integration.ledger.approvals import put_into_force, say
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.webhooks.conftest import happens, subscribed, work_off
from tests.peers import Receiver
from workflows.webhooks.models import Attempt, Delivery, Purpose, SubscriptionStatus

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["subscription", "delivery", "attempt", "endpoint"]


def staff(*capability_ids: str) -> Client:
    user = User.objects.create_user("operator", password="operator-1", is_staff=True)
    grant(user, *capability_ids)
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, page: str, action: str, pk: object) -> None:
    client.post(
        f"/admin/webhooks/{page}/", {"action": action, "_selected_action": [str(pk)]}, follow=True
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_table_can_be_looked_at_and_not_changed(peer: Receiver, page: str) -> None:
    subscription, secret = subscribed(peer.url)
    happens()
    work_off()
    client = staff("webhook.read")
    rows = {
        "subscription": subscription.pk,
        "delivery": Delivery.objects.get().pk,
        "attempt": Attempt.objects.get().pk,
    }

    assert client.get(f"/admin/webhooks/{page}/").status_code == 200
    assert client.get(f"/admin/webhooks/{page}/add/").status_code == 403
    if page in rows:
        shown = client.get(f"/admin/webhooks/{page}/{rows[page]}/change/")
        assert shown.status_code == 200
        assert secret not in shown.text
        assert 'name="_save"' not in shown.text
        assert client.post(f"/admin/webhooks/{page}/{rows[page]}/delete/").status_code == 403


def test_an_address_is_shown_whole_to_who_may_change_it_only(peer: Receiver) -> None:
    subscription, _ = subscribed(f"{peer.url}/hush-1")
    happens()
    work_off()
    reader = staff("webhook.read")
    manager = User.objects.create_user("manager", is_staff=True)
    grant(manager, "webhook.read", "webhook.manage")
    pages = [
        f"/admin/webhooks/subscription/{subscription.pk}/change/",
        f"/admin/webhooks/attempt/{Attempt.objects.get().pk}/change/",
    ]
    lists = [f"/admin/webhooks/{page}/" for page in ("subscription", "delivery", "secret")]

    for page in [*pages, *lists]:
        shown = reader.get(page)
        assert shown.status_code == 200
        assert "hush-1" not in shown.text
        assert "127.0.0.1" in shown.text
    found = reader.get("/admin/webhooks/subscription/", {"q": "hush"})
    assert found.context["cl"].result_count == 0

    reader.force_login(manager)
    for page in pages:
        assert "hush-1" in reader.get(page).text
    assert reader.get(lists[0], {"q": "hush"}).context["cl"].result_count == 1


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_shown_without_the_capability(page: str) -> None:
    assert staff().get(f"/admin/webhooks/{page}/").status_code == 403


def test_subscriptions_are_switched_through_the_services(peer: Receiver) -> None:
    subscription, _ = subscribed(peer.url)
    client = staff("webhook.read", "webhook.manage")

    act(client, "subscription", "disable", subscription.pk)
    subscription.refresh_from_db()
    assert subscription.standing == SubscriptionStatus.PAUSED

    act(client, "subscription", "send_test", subscription.pk)
    assert not Delivery.objects.exists()

    act(client, "subscription", "enable", subscription.pk)
    act(client, "subscription", "send_test", subscription.pk)
    subscription.refresh_from_db()
    assert subscription.standing == SubscriptionStatus.ACTIVE
    assert Delivery.objects.get().purpose == Purpose.TEST


def test_deliveries_are_replayed_by_who_may(peer: Receiver) -> None:
    subscribed(peer.url)
    happens()
    client = staff("webhook.read", "webhook.replay")

    act(client, "delivery", "replay", Delivery.objects.get().pk)

    assert set(Delivery.objects.values_list("purpose", flat=True)) == {"event", "replay"}


def test_what_was_given_up_is_sent_again_by_who_may(peer: Receiver) -> None:
    subscription, _ = subscribed(peer.url)
    happens()
    Delivery.objects.update(status="failed", finished_at=timezone.now())
    client = staff("webhook.read", "webhook.replay")

    act(client, "subscription", "replay_given_up", subscription.pk)

    assert set(Delivery.objects.values_list("purpose", flat=True)) == {"event", "replay"}


def test_a_range_that_was_agreed_to_is_sent_again_when_it_is_chosen_again(peer: Receiver) -> None:
    subscription, _ = subscribed(peer.url)
    happens()
    Delivery.objects.update(status="failed", finished_at=timezone.now())
    client = staff("webhook.read", "webhook.replay")
    decider = grant(User.objects.create_user("decider"), "approval.decide")
    with context.acting(SYSTEM):
        put_into_force(capabilities=("webhook.replay",), condition="")
    # PostgreSQL's clock stays where it is: near it, and both on one day at any time of it.
    minute = timezone.now().replace(second=0, microsecond=0)

    with time_machine.travel(minute, tick=False):
        act(client, "subscription", "replay_given_up", subscription.pk)
        assert not Delivery.objects.filter(purpose="replay").exists()
        say(Approval.objects.get(), decider)
    with time_machine.travel(minute.replace(second=59), tick=False):
        act(client, "subscription", "replay_given_up", subscription.pk)

    assert Delivery.objects.filter(purpose="replay").count() == 1
    assert Approval.objects.count() == 1


def test_actions_are_not_offered_to_who_may_only_read(peer: Receiver) -> None:
    subscription, _ = subscribed(peer.url)
    client = staff("webhook.read")

    happens()
    Delivery.objects.update(status="failed", finished_at=timezone.now())

    act(client, "subscription", "disable", subscription.pk)
    act(client, "subscription", "replay_given_up", subscription.pk)

    subscription.refresh_from_db()
    assert subscription.standing == SubscriptionStatus.ACTIVE
    assert Delivery.objects.count() == 1


def test_messages_are_found_by_their_event_and_their_own_id(peer: Receiver) -> None:
    subscription, _ = subscribed(peer.url)
    happens()
    sent = Delivery.objects.get()
    client = staff("webhook.read")

    def found(asked: str) -> int:
        page = client.get("/admin/webhooks/delivery/", {"q": asked})
        return int(page.context["cl"].result_count)

    assert [found(asked) for asked in (sent.event_id, f" {sent.message_id}")] == [1, 1]
    assert found(sent.event_id[:-1]) == found(f"evt_0_{subscription.pk.hex}") == 0

"""Subscriptions of webhooks are made and managed on their pages, as over the API."""

import re

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger.models import Approval, Entry
from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from tests.integration.console.test_webhooks import NOBODYS, given_up
from tests.integration.ledger.approvals import put_into_force, say
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.webhooks.conftest import (
    _events_of_a_parcel_service,  # noqa: F401 - a fixture.
    _loopback_is_allowed,  # noqa: F401 - a fixture.
    declare,
    peer,  # noqa: F401 - a fixture.
    subscribed,
)
from tests.peers import Receiver
from tests.support.forms import forms_on
from workflows.webhooks import vault
from workflows.webhooks.models import Delivery, Secret, Subscription

pytestmark = pytest.mark.django_db(transaction=True)

READS, MANAGES = "webhook.read", "webhook.manage"


def secrets_of(subscription: Subscription) -> list[str]:
    """Return the secrets with which its messages are signed, the newest first."""
    kept = Secret.objects.filter(subscription=subscription).order_by("-id")
    return [vault.unseal(each.sealed) for each in kept]


class TestSubscribing:
    def asked(self, peer: Receiver, **other: str) -> dict[str, str]:  # noqa: F811
        return {"url": peer.url, "description": "The depot", "event.parcel.lost": "on", **other}

    def test_makes_a_subscription_and_shows_its_secret_once(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        client = visitor(READS, MANAGES)
        shown = page_of(client, "/webhooks/new")
        assert "parcel.lost" in shown
        assert "<code>status</code> says which" in shown

        answer = client.post("/webhooks/new", self.asked(peer))

        made = Subscription.objects.get()
        page, (secret,) = answer.text, secrets_of(made)
        assert (made.url, made.events, made.description) == (peer.url, ["parcel.lost"], "The depot")
        assert secret in page
        assert answer["Cache-Control"] == "no-store"
        assert f'data-page="/webhooks/{made.pk}"' in page
        assert secret not in page_of(client, f"/webhooks/{made.pk}")
        assert Entry.objects.filter(action_name="webhook.show_secret").count() == 1

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"url": ""}, "This field is required."),
            ({"url": "ftp://example.org"}, "This URL cannot be called"),
            ({"url": "https://10.0.0.1/"}, "This URL cannot be called"),
            ({"url": "x" * 2049}, "at most 2048 characters"),
            ({"event.parcel.lost": ""}, "Choose at least one event."),
            ({"description": "d" * 501}, "at most 500 characters"),
            ({"description": "\0"}, "Null characters are not allowed."),
        ],
    )
    def test_says_what_is_wrong_and_makes_nothing(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
        wrong: dict[str, str],
        says: str,
    ) -> None:
        answer = visitor(READS, MANAGES).post("/webhooks/new", self.asked(peer, **wrong))

        assert answer.status_code in {400, 409}
        assert says in answer.text
        assert "The depot" in answer.text or "description" in wrong
        assert not Subscription.objects.exists()

    def test_waits_for_who_has_to_agree_with_everything_still_typed(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        decider = grant(User.objects.create_user("decider"), "approval.decide")
        with context.acting(SYSTEM):
            put_into_force(capabilities=("webhook.manage",), condition="")
        client = visitor(READS, MANAGES)

        waits = client.post("/webhooks/new", self.asked(peer))

        approval = Approval.objects.get()
        assert waits.status_code == 409
        assert f"/approvals/{approval.pk}" in waits.text
        assert "The depot" in waits.text
        assert not Subscription.objects.exists()

        say(approval, decider)
        assert "Copy it now." in client.post("/webhooks/new", self.asked(peer)).text
        assert Subscription.objects.count() == 1


class TestEditing:
    def opened(self, page: str, **typed: str) -> dict[str, str]:
        """Return what the form on `page` sends when this was typed into it."""
        [form] = [each for each in forms_on("", page) if each.action.endswith("/edit")]
        shown = {name: value for name, value in form.fields if value is not None}
        changed = {**shown, **typed}
        return {name: value for name, value in changed.items() if value or name == "description"}

    def test_changes_what_was_changed_in_the_form(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription, secret = subscribed(f"{peer.url}/old?key=hush", "parcel.sent")
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}"
        assert f'href="{address}/edit"' in page_of(client, address)

        asked = self.opened(
            page_of(client, f"{address}/edit"), url=f"{peer.url}/new", **{"event.parcel.lost": "on"}
        )
        answer = client.post(f"{address}/edit", asked, follow=True)

        subscription.refresh_from_db()
        assert answer.redirect_chain == [(address, 302)]
        assert "Saved." in answer.text
        assert subscription.url == f"{peer.url}/new"
        assert subscription.events == ["parcel.lost", "parcel.sent"]
        assert (subscription.version, secrets_of(subscription)) == (2, [secret])

    def test_shows_what_somebody_else_saved_meanwhile_and_replaces_it_only_when_asked_again(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription, _ = subscribed(peer.url, "parcel.sent")
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}/edit"
        mine = self.opened(page_of(client, address), description="Mine")
        client.post(address, self.opened(page_of(client, address), description="Theirs"))

        refused = client.post(address, mine)

        subscription.refresh_from_db()
        assert (refused.status_code, subscription.description) == (409, "Theirs")
        assert "It has changed since this form was opened." in refused.text
        assert "<dd>Theirs</dd>" in refused.text
        again = self.opened(refused.text)
        assert again["description"] == "Mine"
        client.post(address, again)
        subscription.refresh_from_db()
        assert subscription.description == "Mine"

    def test_says_which_events_are_left_out_as_they_are_sent_out_no_more(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        subscription, _ = subscribed(peer.url, "parcel.lost", "parcel.sent")
        declare(monkeypatch, "parcel.lost", external=False)
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}/edit"

        page = page_of(client, address)
        client.post(address, self.opened(page))

        assert "sent to nobody any more: <code>parcel.lost</code>." in page
        subscription.refresh_from_db()
        assert subscription.events == ["parcel.sent"]

    def test_sent_twice_changes_it_once(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription, _ = subscribed(peer.url, "parcel.sent")
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}/edit"
        mine = self.opened(page_of(client, address), description="Mine")

        answers = [client.post(address, mine).status_code for _ in range(2)]

        subscription.refresh_from_db()
        assert (answers, subscription.version) == ([302, 302], 2)
        assert Entry.objects.filter(action_name="webhook.update").count() == 1

    @pytest.mark.parametrize(
        ("wrong", "status", "says"),
        [
            ({"url": "https://10.0.0.1/"}, 409, "This URL cannot be called"),
            ({"event.parcel.sent": ""}, 400, "Choose at least one event."),
            ({"version": "x"}, 400, "Enter a whole number."),
        ],
    )
    def test_says_what_is_wrong_and_changes_nothing(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
        wrong: dict[str, str],
        status: int,
        says: str,
    ) -> None:
        subscription, _ = subscribed(peer.url, "parcel.sent")
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}/edit"

        answer = client.post(address, self.opened(page_of(client, address), **wrong))

        subscription.refresh_from_db()
        assert (answer.status_code, says in answer.text) == (status, True)
        assert (subscription.url, subscription.version) == (peer.url, 1)

    def test_waits_for_who_has_to_agree_with_everything_still_typed(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription, _ = subscribed(peer.url, "parcel.sent")
        decider = grant(User.objects.create_user("decider"), "approval.decide")
        with context.acting(SYSTEM):
            put_into_force(capabilities=("webhook.manage",), condition="")
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}/edit"
        asked = self.opened(page_of(client, address), description="The depot")

        waits = client.post(address, asked)

        approval = Approval.objects.get()
        assert (waits.status_code, "Nothing was changed yet." in waits.text) == (409, True)
        assert f"/approvals/{approval.pk}" in waits.text
        say(approval, decider)
        client.post(address, self.opened(waits.text))
        subscription.refresh_from_db()
        assert subscription.description == "The depot"

    def test_is_for_who_manages_webhooks(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription, _ = subscribed(peer.url)
        reader, address = visitor(READS), f"/webhooks/{subscription.pk}"

        assert f'href="{address}/edit"' not in page_of(reader, address)
        assert reader.get(f"{address}/edit").status_code == 403
        assert reader.post(f"{address}/edit", {"url": peer.url}).status_code == 403
        assert visitor(MANAGES, name="bob").get(f"/webhooks/{NOBODYS}/edit").status_code == 404


class TestManaging:
    ACTS = ("enable", "disable", "test", "rotate-secret", "delete")

    def test_is_offered_to_who_may(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription, _ = subscribed(peer.url)
        address = f"/webhooks/{subscription.pk}"
        reader, manager = visitor(READS), visitor(READS, MANAGES, name="bob")

        offered = set(re.findall(rf'action="{address}/([a-z-]+)"', page_of(manager, address)))
        assert offered == {"test", "disable", "rotate-secret", "delete"}
        assert f'action="{address}' not in page_of(reader, address)
        assert "/webhooks/new" not in page_of(reader, "/webhooks")
        assert 'href="/webhooks/new"' in page_of(manager, "/webhooks")
        assert reader.get("/webhooks/new").status_code == 403
        for act in self.ACTS:
            assert reader.post(f"{address}/{act}").status_code == 403, act
            assert manager.post(f"/webhooks/{NOBODYS}/{act}").status_code == 404, act
            assert manager.get(f"{address}/{act}").status_code == 405, act
        subscription.refresh_from_db()
        assert subscription.is_active
        assert not Delivery.objects.exists()

    def test_pauses_and_resumes(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription, _ = subscribed(peer.url)
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}"

        paused = client.post(f"{address}/disable", follow=True).text
        assert "Nothing is sent until it is enabled again" in paused
        refused = client.post(f"{address}/test")
        assert (refused.status_code, "Enable it first." in refused.text) == (409, True)

        assert 'data-tone="run">active' in client.post(f"{address}/enable", follow=True).text
        last = Entry.objects.filter(action_name="webhook.enable").get()
        assert last.principal_id == str(User.objects.get(username="ada").pk)

    def test_sends_a_test(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription, _ = subscribed(peer.url)

        answer = visitor(READS, MANAGES).post(f"/webhooks/{subscription.pk}/test")

        delivery = Delivery.objects.get(purpose="test")
        assert answer["Location"] == f"/webhooks/deliveries/{delivery.pk}"

    def test_rotates_the_secret_and_shows_the_new_one_once(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
    ) -> None:
        subscription, old = subscribed(peer.url)

        answer = visitor(READS, MANAGES).post(f"/webhooks/{subscription.pk}/rotate-secret")

        new, *others = secrets_of(subscription)
        assert new in answer.text
        assert others == [old]
        assert old not in answer.text
        assert answer["Cache-Control"] == "no-store"

    def test_deletes(self, visitor: Visitor, peer: Receiver) -> None:  # noqa: F811
        subscription = given_up(peer)
        client, address = visitor(READS, MANAGES), f"/webhooks/{subscription.pk}"

        page = client.post(f"{address}/delete", follow=True).text

        assert "Its past deliveries stay recorded." in page
        assert "No subscriptions yet" in page
        assert client.get(address).status_code == 404
        assert client.post(f"{address}/enable").status_code == 404
        assert "deleted since" in page_of(
            client, f"/webhooks/deliveries/{Delivery.objects.get().pk}"
        )

    @pytest.mark.parametrize("act", ["rotate-secret", "delete"])
    def test_waits_for_who_has_to_agree(
        self,
        visitor: Visitor,
        peer: Receiver,  # noqa: F811
        act: str,
    ) -> None:
        subscription, old = subscribed(peer.url)
        with context.acting(SYSTEM):
            put_into_force(capabilities=("webhook.manage",), condition="")

        answer = visitor(READS, MANAGES).post(f"/webhooks/{subscription.pk}/{act}")

        assert answer["Location"] == f"/approvals/{Approval.objects.get().pk}"
        assert secrets_of(subscription) == [old]

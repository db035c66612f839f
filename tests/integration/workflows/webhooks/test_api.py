"""Webhooks over HTTP, as an integrator uses them."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from events import selectors as log
from ledger.models import Entry
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.workflows.webhooks.conftest import happens, work_off
from tests.peers import Receiver
from workflows.webhooks.models import Delivery, Secret, Subscription

SUBSCRIPTIONS = "/api/v1/webhooks/subscriptions"
DELIVERIES = "/api/v1/webhooks/deliveries"
CAPABILITIES = ("webhook.read", "webhook.manage", "webhook.replay")

As = Callable[..., APIClient]


@pytest.fixture
def key_with(db: None) -> As:
    """Return a client whose key's owner holds some capabilities."""

    def make(*capability_ids: str) -> APIClient:
        owner = User.objects.create_user(f"owner-{uuid4().hex}")
        return client_with(issue(grant(owner, *capability_ids), ["*"])[0])

    return make


@pytest.fixture
def api(key_with: As) -> APIClient:
    return key_with(*CAPABILITIES)


def wanted(peer: Receiver, **changes: object) -> dict[str, object]:
    return {"url": peer.url, "events": ["parcel.sent"], **changes}


def created(api: APIClient, peer: Receiver) -> str:
    response = api.post(SUBSCRIPTIONS, wanted(peer), format="json")
    assert response.status_code == 201, response.json()
    return str(response.json()["id"])


class TestSubscriptions:
    def test_are_created_with_a_secret_that_is_shown_once(
        self, api: APIClient, peer: Receiver
    ) -> None:
        response = api.post(SUBSCRIPTIONS, wanted(peer, description="CRM"), format="json")

        made = response.json()
        assert response.status_code == 201
        assert response["Cache-Control"] == "no-store"
        assert response["Location"] == f"{SUBSCRIPTIONS}/{made['id']}"
        assert made["secret"].startswith("whsec_")
        assert (made["active"], made["standing"]) == (True, "active")
        assert made["created_by"].startswith("api_key:")
        shown = api.get(response["Location"]).json()
        assert shown == {key: value for key, value in made.items() if key != "secret"}

    def test_keep_their_secret_sealed_at_rest(self, api: APIClient, peer: Receiver) -> None:
        secret = api.post(SUBSCRIPTIONS, wanted(peer), format="json").json()["secret"]

        assert secret.removeprefix("whsec_") not in Secret.objects.get().sealed

    def test_keep_what_is_secret_in_an_address_out_of_the_log(
        self, api: APIClient, peer: Receiver
    ) -> None:
        origin = f"http://127.0.0.1:{peer.port}"
        created = api.post(
            SUBSCRIPTIONS, wanted(peer, url=f"{origin}/in/hush-1?key=hush-2"), format="json"
        )
        api.patch(
            f"{SUBSCRIPTIONS}/{created.json()['id']}", {"url": f"{origin}/in/hush-3"}, format="json"
        )

        one, two = [event.data for event in log.stream_events(("webhook", created.json()["id"]))]

        assert one["origin"] == two["origin"] == origin
        assert one["urlDigest"] != two["urlDigest"]
        assert "hush" not in str([one, two])

    def test_show_their_address_whole_to_who_may_change_it_and_its_origin_to_others(
        self, api: APIClient, key_with: As, peer: Receiver
    ) -> None:
        origin = f"http://127.0.0.1:{peer.port}"
        made = api.post(SUBSCRIPTIONS, wanted(peer, url=f"{origin}/in/hush-1"), format="json")
        happens()
        work_off()
        paths = [f"{SUBSCRIPTIONS}/{made.json()['id']}", SUBSCRIPTIONS]
        paths.append(f"{DELIVERIES}/{Delivery.objects.get().pk}")

        for path in paths:
            assert "hush-1" in api.get(path).text
            shown = key_with("webhook.read").get(path).text
            assert "hush-1" not in shown
            assert f"{origin}/…" in shown

    def test_are_created_once_per_idempotency_key_and_hide_the_secret_the_second_time(
        self, api: APIClient, peer: Receiver
    ) -> None:
        first, second = (
            api.post(
                SUBSCRIPTIONS, wanted(peer), format="json", headers={"idempotency-key": "k-1"}
            ).json()
            for _ in range(2)
        )

        assert Subscription.objects.count() == 1
        assert second == {**first, "secret": None}

    @pytest.mark.parametrize(
        ("changes", "status", "code", "pointer"),
        [
            ({"url": "ftp://example.com/"}, 422, "webhook_url_refused", "/url"),
            ({"url": "http://169.254.169.254/"}, 422, "webhook_url_refused", "/url"),
            ({"url": "https://10.0.0.1/"}, 422, "webhook_url_refused", "/url"),
            ({"url": "https://u:p@127.0.0.1/"}, 422, "webhook_url_refused", "/url"),
            ({"url": "http://93.184.216.34/"}, 422, "webhook_url_refused", "/url"),
            ({"events": ["parcel.weighed"]}, 422, "webhook_event_not_external", "/events/0"),
            (
                {"events": ["parcel.sent", "parcel.*"]},
                422,
                "webhook_event_not_external",
                "/events/1",
            ),
            ({"events": []}, 400, "invalid", "/events"),
            ({"events": ["parcel.sent"] * 101}, 400, "invalid", "/events"),
        ],
    )
    def test_are_refused_when_they_cannot_work(
        self,
        api: APIClient,
        peer: Receiver,
        changes: dict[str, object],
        status: int,
        code: str,
        pointer: str | None,
    ) -> None:
        response = api.post(SUBSCRIPTIONS, wanted(peer, **changes), format="json")

        problem = response.json()
        assert response.status_code == status, problem
        if status == 422:
            assert problem["code"] == code
        if pointer:
            assert problem["errors"][0]["pointer"] == pointer
        assert not Subscription.objects.exists()

    @pytest.mark.parametrize("odd", ["standing", "created_by", "id", "secret", "failing_since"])
    def test_refuse_fields_that_nobody_asks_for(
        self, api: APIClient, peer: Receiver, odd: str
    ) -> None:
        response = api.post(SUBSCRIPTIONS, wanted(peer, **{odd: "1"}), format="json")

        assert response.status_code == 400
        assert response.json()["errors"][0]["pointer"] == f"/{odd}"
        assert not Subscription.objects.exists()

    def test_are_changed_switched_and_deleted(self, api: APIClient, peer: Receiver) -> None:
        url = f"{SUBSCRIPTIONS}/{created(api, peer)}"

        changed = api.patch(url, {"events": ["parcel.lost", "parcel.sent"]}, format="json").json()
        paused = api.post(f"{url}/disable").json()
        resumed = api.post(f"{url}/enable").json()
        ended = api.delete(url)

        assert changed["events"] == ["parcel.lost", "parcel.sent"]
        assert (paused["active"], paused["standing"]) == (False, "paused")
        assert resumed["active"] is True
        assert ended.status_code == 204
        assert api.get(url).status_code == 404
        assert not Secret.objects.exists()

    def test_are_changed_and_deleted_only_at_the_version_that_was_read(
        self, api: APIClient, peer: Receiver
    ) -> None:
        read = {"If-Match": api.get(url := f"{SUBSCRIPTIONS}/{created(api, peer)}")["ETag"]}
        wants = [{"description": name} for name in ("theirs", "mine")]

        theirs, mine = (api.patch(url, want, format="json", headers=read) for want in wants)
        gone = api.delete(url, headers=read)

        assert (read["If-Match"], theirs["ETag"], theirs.json()["version"]) == ('"1"', '"2"', 2)
        assert (mine.status_code, mine.json()["code"]) == (412, "version_moved")
        assert (gone.status_code, api.get(url).json()["description"]) == (412, "theirs")
        assert api.delete(url, headers={"If-Match": theirs["ETag"]}).status_code == 204

    def test_are_changed_once_by_a_request_that_arrives_twice(
        self, api: APIClient, peer: Receiver
    ) -> None:
        url, read = f"{SUBSCRIPTIONS}/{created(api, peer)}", {"If-Match": '"1"'}
        change = {"url": f"{peer.url}/new", "events": ["parcel.lost"], "description": "CRM"}

        answers = [api.patch(url, change, format="json", headers=read) for _ in range(2)]

        assert [(answer.status_code, answer["ETag"]) for answer in answers] == [(200, '"2"')] * 2
        assert Entry.objects.filter(action_name="webhook.update").count() == 1

    def test_get_another_secret(self, api: APIClient, peer: Receiver) -> None:
        url = f"{SUBSCRIPTIONS}/{created(api, peer)}"

        response = api.post(f"{url}/rotate-secret")

        assert response.status_code == 201
        assert response.json()["secret"].startswith("whsec_")
        assert Secret.objects.filter(retires_at=None).count() == 1
        assert Secret.objects.count() == 2

    def test_list_what_may_be_subscribed_to(self, api: APIClient) -> None:
        events = {each["name"]: each for each in api.get(f"{SUBSCRIPTIONS}/events").json()}

        assert "parcel.weighed" not in events
        assert events["parcel.sent"]["redacted"] == ["reference"]

    def test_are_asked_in_a_constant_number_of_statements(
        self,
        api: APIClient,
        peer: Receiver,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(5):
            created(api, peer)

        with django_assert_max_num_queries(8):
            assert len(api.get(SUBSCRIPTIONS).json()["results"]) == 5


class TestCapabilities:
    @pytest.mark.parametrize(
        ("method", "path", "needed"),
        [
            ("get", SUBSCRIPTIONS, "webhook.read"),
            ("get", f"{SUBSCRIPTIONS}/{{id}}", "webhook.read"),
            ("get", f"{SUBSCRIPTIONS}/events", "webhook.read"),
            ("get", DELIVERIES, "webhook.read"),
            ("post", SUBSCRIPTIONS, "webhook.manage"),
            ("patch", f"{SUBSCRIPTIONS}/{{id}}", "webhook.manage"),
            ("post", f"{SUBSCRIPTIONS}/{{id}}/disable", "webhook.manage"),
            ("post", f"{SUBSCRIPTIONS}/{{id}}/rotate-secret", "webhook.manage"),
            ("post", f"{SUBSCRIPTIONS}/{{id}}/test", "webhook.manage"),
            ("delete", f"{SUBSCRIPTIONS}/{{id}}", "webhook.manage"),
            ("post", f"{DELIVERIES}/{{id}}/replay", "webhook.replay"),
            ("post", f"{SUBSCRIPTIONS}/{{id}}/replay", "webhook.replay"),
        ],
    )
    def test_are_demanded_one_by_one(
        self, key_with: As, peer: Receiver, method: str, path: str, needed: str
    ) -> None:
        others = [each for each in CAPABILITIES if each != needed]
        subscription = created(key_with(*CAPABILITIES), peer)
        before = list(Subscription.objects.values())

        response = getattr(key_with(*others), method)(path.format(id=subscription))

        assert response.status_code == 403
        assert list(Subscription.objects.values()) == before
        assert not Delivery.objects.exists()

    def test_are_nothing_without_a_credential(self, peer: Receiver) -> None:
        assert APIClient().get(SUBSCRIPTIONS).status_code == 401
        assert APIClient().post(SUBSCRIPTIONS, wanted(peer), format="json").status_code == 401


@pytest.mark.django_db(transaction=True)
class TestDeliveries:
    def test_tell_what_was_sent_and_how_it_was_received(
        self, api: APIClient, peer: Receiver
    ) -> None:
        subscription = created(api, peer)
        peer.replies = [(500, {}, b"oops")]
        happens()
        work_off()

        [listed] = api.get(f"{DELIVERIES}?subscription={subscription}&status=pending").json()[
            "results"
        ]
        detail = api.get(f"{DELIVERIES}/{listed['id']}").json()

        assert (listed["attempts_made"], listed["error_class"]) == (1, "5xx")
        assert listed["next_attempt_at"] is not None
        assert "payload" not in listed
        assert detail["payload"]["data"]["parcelId"] == "p1"

        Delivery.objects.update(body="")  # Long ago.

        assert api.get(f"{DELIVERIES}/{listed['id']}").json()["payload"] is None
        [attempt] = detail["attempts"]
        assert (attempt["response_status"], attempt["response_excerpt"]) == (500, "oops")

    def test_are_replayed(self, api: APIClient, peer: Receiver) -> None:
        created(api, peer)
        happens()
        work_off()
        original = Delivery.objects.get()

        response = api.post(f"{DELIVERIES}/{original.pk}/replay")
        work_off()

        assert response.status_code == 202
        assert response.json()["replay_of_id"] == str(original.pk)
        assert api.get(response["Location"]).json()["status"] == "delivered"
        assert len(peer.received) == 2

    def test_are_replayed_once_per_idempotency_key(self, api: APIClient, peer: Receiver) -> None:
        created(api, peer)
        happens()
        url = f"{DELIVERIES}/{Delivery.objects.get().pk}/replay"

        answers = [api.post(url, headers={"idempotency-key": "again-1"}) for _ in range(2)]

        assert answers[0].json() == answers[1].json()
        assert answers[1]["Idempotency-Replayed"] == "true"
        assert Delivery.objects.count() == 2

    def test_are_replayed_by_the_range(self, api: APIClient, peer: Receiver) -> None:
        url = f"{SUBSCRIPTIONS}/{created(api, peer)}/replay"
        happens()
        Delivery.objects.update(status="failed", finished_at=timezone.now())
        asked = {"since": "2020-01-01T00:00:00Z", "until": "2120-01-01T00:00:00Z"}

        answers = [api.post(url, asked, format="json") for _ in range(2)]

        assert [each.status_code for each in answers] == [202, 202]
        assert [each.json() for each in answers] == [
            {"replayed": 1, "more": False},
            {"replayed": 0, "more": False},
        ]
        entry = Entry.objects.filter(action_name="webhook.replay_given_up").first()
        assert entry is not None
        assert entry.capability_id == "webhook.replay"

    @pytest.mark.parametrize(
        ("asked", "pointer"),
        [
            ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "/until"),
            ({"since": "2026-01-02T00:00:00Z"}, "/until"),
            ({"since": "yesterday", "until": "2026-01-01T00:00:00Z"}, "/since"),
            ({"since": "2026-01-02T00:00:00", "until": "2026-01-03T00:00:00Z"}, "/since"),
        ],
    )
    def test_are_not_replayed_by_a_range_that_is_none(
        self, api: APIClient, peer: Receiver, asked: dict[str, str], pointer: str
    ) -> None:
        response = api.post(f"{SUBSCRIPTIONS}/{created(api, peer)}/replay", asked, format="json")

        assert response.status_code in {400, 422}
        assert pointer in response.text

    def test_include_test_messages(self, api: APIClient, peer: Receiver) -> None:
        subscription = created(api, peer)

        response = api.post(
            f"{SUBSCRIPTIONS}/{subscription}/test", {"event": "parcel.lost"}, format="json"
        )
        work_off()

        assert response.status_code == 202
        assert response.json()["purpose"] == "test"
        assert peer.received[0].headers["webhook-id"].startswith("test_")

    @pytest.mark.parametrize("event", ["parcel.weighed", "parcel.*"])
    def test_include_no_test_message_of_what_is_not_sent(
        self, api: APIClient, peer: Receiver, event: str
    ) -> None:
        subscription = created(api, peer)

        response = api.post(f"{SUBSCRIPTIONS}/{subscription}/test", {"event": event}, format="json")

        problem = response.json()
        assert (response.status_code, problem["code"]) == (422, "webhook_event_not_external")
        assert problem["errors"][0]["pointer"] == "/event"
        assert "/api/v1/webhooks/subscriptions/events" in problem["hint"]

    @pytest.mark.parametrize("query", ["status=odd", "purpose=odd", "subscription=odd", "odd=1"])
    def test_refuse_filters_that_make_no_sense(self, api: APIClient, query: str) -> None:
        assert api.get(f"{DELIVERIES}?{query}").status_code == 400

    @pytest.mark.parametrize("odd", ["0", "a", "%00", "..", "9223372036854775808"])
    def test_are_not_found_by_odd_ids(self, api: APIClient, odd: str) -> None:
        assert api.get(f"{DELIVERIES}/{odd}").status_code == 404

    def test_of_a_private_address_say_so(
        self, api: APIClient, peer: Receiver, settings: Settings
    ) -> None:
        created(api, peer)
        settings.HTTP_ALLOW = []
        happens()
        work_off()

        [listed] = api.get(DELIVERIES).json()["results"]

        assert (listed["status"], listed["error_class"]) == ("failed", "refused")

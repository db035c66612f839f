"""/engine/ws as Argyll's clients meet it: a real server, real sockets, real commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ledger.access import grants
from ledger.services.api_keys import issue_api_key
from tests.integration.workflows.flows.conftest import work_off
from tests.live import PATIENCE_S, Client, Server, environment_of_the_tests, sequence
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json

pytestmark = pytest.mark.django_db(transaction=True)

GREETING = {
    "id": "greet",
    "name": "Greet",
    "type": "script",
    "script": {"language": "ale", "script": '{:greeting "Hi"}'},
    "attributes": {"greeting": {"role": "output"}},
}
LIMITS = {"poll_s": 0.2}


@contextmanager
def serving(**environment: str) -> Iterator[Server]:
    server = Server(limits=LIMITS, environment={**environment_of_the_tests(), **environment})
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def visiting(server: Server, secret: str = "") -> Iterator[Client]:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    url = f"ws://127.0.0.1:{server.port}/engine/ws"
    with connect(
        url, additional_headers=headers, open_timeout=PATIENCE_S, close_timeout=1
    ) as socket:
        yield Client(socket)


def subscribe(client: Client, sub_id: str, **data: Any) -> Any:
    client.say("subscribe", data={"sub_id": sub_id, **data})
    return client.hear_type("subscribed")


def key_of(*capability_ids: str) -> str:
    grants.provision()
    user = User.objects.create_user("watcher", password="a-long-password")
    user.user_permissions.add(*Permission.objects.filter(codename__in=capability_ids))
    soon = timezone.now() + timedelta(days=1)
    _, secret = issue_api_key(name="key", owner=user, scopes=["*"], expires_at=soon)
    return secret.text


class TestOpenEngine:
    def test_tells_a_client_of_a_flow_from_state_to_end(self) -> None:
        services.register_step(step=step_from_json(GREETING))
        with serving(OPEN_ENGINE="true") as server, visiting(server) as client:
            client.say("ping")
            client.connection.send("garbage")
            client.say("unsubscribe", data={"sub_id": "nope"})
            assert client.hear_type("unsubscribed") == {"type": "unsubscribed", "sub_id": "nope"}
            live = subscribe(client, "live", aggregate_ids=[["flow"]])
            assert live == {"type": "subscribed", "sub_id": "live", "items": None}
            paths = [["catalog"], ["cluster"], ["flow", "none"], ["bogus"]]
            known = subscribe(client, "state", aggregate_ids=paths, include_state=True)
            health = httpx2.get(f"http://127.0.0.1:{server.port}/health", timeout=PATIENCE_S).json()
            assert health["details"]["websocket"] == {"clients": 1}

            services.start_flow(flow_id="f1", goals=["greet"], init={})
            work_off()
            sequence()
            client.hear_type("flow_deactivated")

        assert [(item["id"], item["sequence"]) for item in known["items"]] == [
            (["catalog"], 1),
            (["cluster"], 1),
            (["bogus"], 0),
        ]
        assert known["items"][0]["data"]["steps"].keys() == {"greet"}
        assert known["items"][1]["data"]["nodes"]["daybook-1"]["health"]["greet"]
        frames = [frame for frame in client.heard if "sequence" in frame]
        assert {frame["sub_id"] for frame in frames} == {"live"}
        assert [frame["sequence"] for frame in frames] == list(range(len(frames)))
        assert frames[0].keys() == {"type", "sub_id", "data", "id", "timestamp", "sequence"}
        assert {frame["type"] for frame in client.heard} >= {"flow_started", "step_completed"}

    def test_goes_on_from_the_state_that_it_gave(self) -> None:
        services.register_step(step=step_from_json(GREETING))
        services.start_flow(flow_id="f1", goals=["greet"], init={})
        work_off()
        sequence()
        with serving(OPEN_ENGINE="true") as server, visiting(server) as client:
            found = subscribe(client, "s", aggregate_ids=[["flow", "f1"]], include_state=True)
            client.connection.send(b'{"type":"unsubscribe","data":{"sub_id":"binary"}}')
            assert client.hear_type("unsubscribed")["sub_id"] == "binary"
            client.connection.send('{"type":"ping","pad":"' + "x" * 70_000 + '"}')
            with pytest.raises(ConnectionClosed) as closed:
                client.connection.recv(timeout=PATIENCE_S)

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        (item,) = found["items"]
        assert item["data"]["status"] == "completed"
        assert item["data"]["attributes"]["greeting"][0]["value"] == "Hi"
        assert item["sequence"] == 8

    def test_tells_each_subscription_what_it_wants_and_knows_one_by_each_name(self) -> None:
        services.register_step(step=step_from_json(GREETING))
        many = [["flow", f"f{number}"] for number in range(500)]
        with serving(OPEN_ENGINE="true") as server, visiting(server) as client:
            subscribe(client, "ends", event_types=["flow_deactivated"])
            subscribe(client, "twice", aggregate_ids=[["catalog"]])
            subscribe(client, "twice", aggregate_ids=many, event_types=["step_started"])
            subscribe(client, "gone", aggregate_ids=[["flow"]])
            client.say("unsubscribe", data={"sub_id": "gone"})
            client.hear_type("unsubscribed")

            services.register_step(step=step_from_json({**GREETING, "id": "again"}))
            services.start_flow(flow_id="f1", goals=["greet"], init={})
            services.start_flow(flow_id="other", goals=["greet"], init={})
            work_off()
            sequence()
            frames = [client.hear(lambda frame: "sequence" in frame) for _ in range(3)]

        assert sorted((frame["sub_id"], frame["type"], frame["id"][1]) for frame in frames) == [
            ("ends", "flow_deactivated", "f1"),
            ("ends", "flow_deactivated", "other"),
            ("twice", "step_started", "f1"),
        ]


class TestClosedEngine:
    def test_lets_in_who_may_read_flows_and_nobody_else(self) -> None:
        secret = key_of("flow.read")
        with serving() as server:
            with pytest.raises(InvalidStatus) as refused, visiting(server):
                pass
            with visiting(server, secret) as client:
                paths = [["catalog"], ["flow"]]
                found = subscribe(client, "s", aggregate_ids=paths, include_state=True)

        assert refused.value.response.status_code == 401
        # The catalog takes another capability: nothing of it is told.
        assert [item["id"] for item in found["items"]] == [["flow"]]

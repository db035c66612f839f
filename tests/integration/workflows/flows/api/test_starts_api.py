"""Starts over HTTP: declared, listed, switched and removed, with what befell them."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.access import grants
from ledger.models import Entry
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.flows.clients import client_of, post
from tests.integration.workflows.flows.conftest import follow, wind, work_off
from tests.integration.workflows.flows.triggers.test_starts import DOUBLE, on_wind, started
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowStart

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("weather")]


@pytest.fixture(autouse=True)
def _ada_acts() -> Iterator[None]:
    grants.provision()
    ada = grant(User.objects.create_user("ada"), "flow.start", "flow_start.manage")
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        services.register_step(step=step_from_json(DOUBLE))
        yield


class TestOverHttp:
    PATH = "/api/v1/flow-starts/gusts"
    BODY = {
        "goals": ["double"],
        "event": "wind.rose",
        "takes": {"speed": "$.speed"},
        "filter": {"language": "jpath", "script": "$[?@ > 5]"},
    }

    def test_are_declared_listed_switched_and_removed(self) -> None:
        client = client_of("operator", "flow.read", "flow.start", "flow_start.manage")

        made = client.put(self.PATH, self.BODY, format="json")
        assert (made.status_code, made["ETag"]) == (200, '"1"')
        assert made.json()["filter"] == self.BODY["filter"]
        listed = client.get("/api/v1/flow-starts", {"event": "wind.rose"}).json()["results"]
        assert [(one["name"], one["state"], one["next_at"]) for one in listed] == [
            ("gusts", "on", None)
        ]
        stale = client.delete(self.PATH, headers={"If-Match": '"9"'})
        assert stale.status_code == 412
        assert post(client, f"{self.PATH}/disable").json()["enabled"] is False
        assert client.get(self.PATH)["ETag"] == '"2"'
        assert client.delete(self.PATH, headers={"If-Match": '"2"'}).status_code == 204
        assert client.get(self.PATH).status_code == 404

    def test_on_an_event_that_is_not_declared_are_refused_where_it_stands(self) -> None:
        client = client_of("operator", "flow.read", "flow.start", "flow_start.manage")

        answer = client.put(self.PATH, {**self.BODY, "event": "wind.rise"}, format="json")

        [error] = answer.json()["errors"]
        assert "wind.rise is declared; did you mean wind.rose" in error["detail"]
        assert (answer.status_code, error["pointer"]) == (422, "/event")

    def test_are_listed_with_how_each_of_them_stands(self) -> None:
        client = client_of("operator", "flow.read", "flow.start", "flow_start.manage")
        hourly = {"goals": ["double"], "init": {"speed": [4]}, "cron": "0 * * * *"}
        client.put("/api/v1/flow-starts/hourly", hourly, format="json")
        client.put(self.PATH, {**self.BODY, "enabled": False}, format="json")

        found = client.get("/api/v1/flow-starts").json()["results"]

        [gusts, shown] = found
        assert (gusts["name"], gusts["state"], gusts["next_at"]) == ("gusts", "off", None)
        assert (shown["name"], shown["state"]) == ("hourly", "on")
        assert shown["next_at"] == client.get("/api/v1/flow-starts/hourly").json()["next_at"]
        assert shown["next_at"] is not None

    def test_tell_how_they_stand_and_what_befell_them(self) -> None:
        client = client_of("operator", "flow.read", "flow.start", "flow_start.manage")
        client.put(self.PATH, self.BODY, format="json")
        wind(9)
        follow()
        work_off()
        post(client, f"{self.PATH}/disable", {"reason": "Holidays"})

        shown = client.get(self.PATH).json()
        found = client.get(f"{self.PATH}/occasions").json()
        older = client.get(f"{self.PATH}/occasions", {"before": 3}).json()

        assert (shown["state"], shown["next_at"], shown["declarer_lacks"]) == ("off", None, "")
        [flow_id] = started()
        entry = Entry.objects.get(action_name="flow.start")
        assert (shown["fired"]["flow_id"], shown["fired"]["status"]) == (flow_id, "completed")
        assert [one["what"] for one in found["results"]] == ["declared", "fired", "declared"]
        fired = found["results"][1]
        assert (fired["entry_id"], fired["event_id"]) == (str(entry.pk), entry.causation_id)
        assert found["older"] is None
        assert [one["what"] for one in older["results"]] == ["fired", "declared"]
        assert client.get(f"{self.PATH}/occasions", {"before": "x"}).status_code == 400
        assert Entry.objects.get(action_name="flow_start.disable").reason == "Holidays"

    def test_are_refused_where_it_is_wrong(self) -> None:
        client = client_of("operator", "flow.start", "flow_start.manage")

        both = client.put(self.PATH, {**self.BODY, "cron": "0 * * * *"}, format="json")
        odd = client.put(self.PATH, {**self.BODY, "colour": "red"}, format="json")
        nameless = client.put(self.PATH, {**self.BODY, "labels": {" ": "x"}}, format="json")

        assert (both.status_code, both.json()["code"]) == (422, "flow_start_invalid")
        assert odd.status_code == 400
        assert nameless.status_code == 400
        assert [error["pointer"] for error in nameless.json()["errors"]] == ["/labels"]

    @pytest.mark.parametrize("held", ["flow.start", "flow_start.manage"])
    def test_need_the_capability_and_that_of_starting_flows(self, held: str) -> None:
        client = client_of("reader", "flow.read", held)

        refused = client.put(self.PATH, self.BODY, format="json")

        assert refused.status_code == 403
        assert not FlowStart.objects.exists()

    def test_are_switched_off_and_removed_by_who_may_not_start_flows(self) -> None:
        on_wind()
        client = client_of("warden", "flow.read", "flow_start.manage")

        assert post(client, f"{self.PATH}/disable").json()["enabled"] is False
        on = post(client, f"{self.PATH}/enable")
        assert (on.status_code, on.json()["detail"]) == (
            403,
            "This needs the capability flow.start.",
        )
        assert client.delete(self.PATH).status_code == 204
        denied = Entry.objects.get(status="denied")
        assert (denied.action_name, denied.target_id) == ("flow_start.enable", "gusts")

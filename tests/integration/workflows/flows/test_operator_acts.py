"""Each act of an operator: over HTTP and from the page, with its event, its entry, its right."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from events import selectors as log
from events.domain.envelope import Envelope
from ledger.access import grants
from ledger.models import Entry
from tests.integration.ledger.conftest import client_with, issue
from tests.integration.workflows.flows.conftest import flow
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.steps import callables
from workflows.work import runner

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "The till is broken"


@dataclass(frozen=True, kw_only=True)
class Act:
    """How one act is asked for; `says` are the members of its event that tell it apart."""

    action: str
    capability: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    event: str
    says: dict[str, Any] = field(default_factory=dict)


ACTS = {
    "pause": Act(action="flow.pause", capability="flow.pause", path="/pause", event="flow_paused"),
    "resume": Act(
        action="flow.resume",
        capability="flow.pause",
        path="/resume",
        event="flow_resumed",
    ),
    "cancel": Act(
        action="flow.cancel",
        capability="flow.cancel",
        path="/cancel",
        event="flow_cancelled",
        says={"compensates": False},
    ),
    "cancel and undo": Act(
        action="flow.cancel",
        capability="flow.cancel",
        path="/cancel",
        body={"compensate": True},
        form={"compensates": "on"},
        event="flow_cancelled",
        says={"compensates": True},
    ),
    "skip": Act(
        action="flow.skip_step",
        capability="flow.intervene",
        path="/steps/pay/skip",
        event="step_skipped",
        says={"step_id": "pay"},
    ),
    "force": Act(
        action="flow.force_step",
        capability="flow.intervene",
        path="/steps/pay/force",
        body={"outputs": {"receipt": "r1"}},
        form={"outputs": '{"receipt": "r1"}'},
        event="step_forced",
        says={"step_id": "pay"},
    ),
    "retry now": Act(
        action="flow.retry_work",
        capability="flow.intervene",
        path="/steps/pay/retry",
        event="work_retry_requested",
        says={"step_id": "pay"},
    ),
    "fork": Act(
        action="flow.fork",
        capability="flow.fork",
        path="/fork",
        body={"from_step": "pay", "init": {"card": ["5151"]}},
        form={"from_step": "pay", "init.card": '["5151"]'},
        event="flow_started",
        says={"init": {"card": ["5151"]}},
    ),
}
RIGHTS = {act.capability for act in ACTS.values()}


def _hold(_inputs: Any) -> dict[str, str]:
    return {"seat": "12A"}


def _try_again(_inputs: Any) -> None:
    raise callables.TryAgain("the till is closed")


@pytest.fixture
def _flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two flows that held a seat and wait to try again to pay."""
    grants.provision()
    monkeypatch.setattr(callables, "_registered", {"hold": _hold, "pay": _try_again})
    for id_, attributes in (
        ("hold", {"seat": "output"}),
        ("pay", {"seat": "required", "card": "required", "receipt": "output"}),
    ):
        document = {
            "id": id_,
            "name": id_,
            "type": "python",
            "python": {"callable": id_},
            "attributes": {name: {"role": role} for name, role in attributes.items()},
        }
        services.register_step(step=step_from_json(document))
    for flow_id in ("by-http", "by-page"):
        services.start_flow(flow_id=flow_id, goals=["pay"], init={"card": ["4242"]})
    while runner.work_off(worker="test", kinds=["flow.invoke"]):
        pass


def _user(name: str, *rights: str) -> User:
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=["flow.read", *rights]))
    return user


def _by_http(user: User, act: Act) -> int:
    body = {"reason": WHY, **act.body, **_of_item("by-http", act)}
    if act.action == "flow.fork":
        body["id"] = "by-http-again"
    client = client_with(issue(user, ["*"])[0])
    return client.post(f"/api/v1/flows/by-http{act.path}", body, format="json").status_code


def _by_page(user: User, act: Act) -> int:
    form = {"reason": WHY, **act.form, **_of_item("by-page", act)}
    if act.action == "flow.fork":
        form["new_flow_id"] = "by-page-again"
    client = Client()
    client.force_login(user)
    return client.post(f"/flows/by-page{act.path}", form).status_code


def _of_item(flow_id: str, act: Act) -> dict[str, str]:
    [token] = flow(flow_id).executions["pay"].order
    return {"token": token} if act.action == "flow.retry_work" else {}


def _events(flow_id: str) -> list[Envelope]:
    return log.stream_events(("flow", flow_id))


@pytest.mark.usefixtures("_flows")
@pytest.mark.parametrize("name", ACTS)
def test_needs_its_right_and_is_an_event_and_an_entry_from_either_side(name: str) -> None:
    act = ACTS[name]
    lacks, holds = _user("eve", *(RIGHTS - {act.capability})), _user("ada", act.capability)
    if act.event == "flow_resumed":
        for flow_id in ("by-http", "by-page"):
            services.pause_flow(flow_id=flow_id, reason="To resume it")
    before = [_events("by-http"), _events("by-page")]

    assert (_by_http(lacks, act), _by_page(lacks, act)) == (403, 403)
    assert [_events("by-http"), _events("by-page")] == before
    assert not Entry.objects.filter(action_name=act.action, remark__text=WHY).exists()

    done = (_by_http(holds, act), _by_page(holds, act))
    assert done == (201 if act.action == "flow.fork" else 200, 302)
    for flow_id, kind in (("by-http", "api_key"), ("by-page", "user")):
        target = f"{flow_id}-again" if act.action == "flow.fork" else flow_id
        known = () if act.action == "flow.fork" else before[flow_id == "by-page"]
        happened = [one for one in _events(target)[len(known) :] if one.name == act.event]
        [entry] = Entry.objects.filter(action_name=act.action, target_id=target, remark__text=WHY)
        assert [{**one.data, **act.says} for one in happened] == [one.data for one in happened]
        assert len(happened) == 1
        assert (entry.capability_id, entry.status, entry.reason) == (
            act.capability,
            "succeeded",
            WHY,
        )
        assert entry.principal_type == kind
        named = [str(entry.pk)] if act.action != "flow.fork" else [None]
        assert [one.data.get("entry_id") for one in happened] == named


@pytest.mark.usefixtures("_flows")
@pytest.mark.parametrize("name", ["skip", "force", "retry now"])
def test_a_step_that_is_not_in_the_plan_is_told_from_one_that_is_settled(name: str) -> None:
    act, user = ACTS[name], _user("ada", "flow.intervene")
    known = _events("by-http")
    body = {"reason": WHY, **act.body, **_of_item("by-http", act)}

    client = client_with(issue(user, ["*"])[0])
    answer = client.post(
        f"/api/v1/flows/by-http{act.path.replace('/pay/', '/fly/')}", body, format="json"
    )

    assert (answer.status_code, answer.json()["code"]) == (404, "step_not_in_flow")
    assert answer.json()["detail"] == "step fly is not in the plan of flow by-http"
    assert _events("by-http") == known


@pytest.mark.usefixtures("_flows")
def test_every_act_is_reached_from_the_page_of_a_flow() -> None:
    client = Client()
    client.force_login(_user("ada", *RIGHTS))

    page = client.get("/flows/by-page?step=pay").content.decode()
    services.pause_flow(flow_id="by-page", reason="To resume it")
    page += client.get("/flows/by-page").content.decode()

    for act in ACTS.values():
        assert f"/flows/by-page{act.path}" in page, act.path
    assert 'name="compensates"' in page

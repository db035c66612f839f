"""What an approval of a flow, a step, a schedule or a webhook binds: all that was asked for."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from events import context
from events.domain.principal import SYSTEM
from ledger.access import grants
from ledger.approving import asking
from ledger.approving.gate import ApprovalRequired
from ledger.domain.payload import PayloadKind
from ledger.models import Approval, Entry
from tests import worklab
from tests.integration.ledger.approvals import (
    acting,
    good_for_just_that,
    put_into_force,
    say,
    weigh_more,
)
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.flows.clients import script
from workflows.flows import services as flows
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowSummary
from workflows.flows.triggers import starts
from workflows.webhooks.models import Subscription
from workflows.webhooks.services import sending, subscriptions
from workflows.work import registry
from workflows.work import services as work
from workflows.work.models import Schedule

pytestmark = pytest.mark.django_db(transaction=True)

DOUBLE = script("double", "{:twice (* speed 2)}", speed="required", twice="output")
TENFOLD = script("double", "{:twice (* speed 10)}", speed="required", twice="output")
HERE = "https://127.0.0.1:8443"
SECRET_URL = f"{HERE}/hooks/s3cret?token=t0ken"

Act = Callable[..., object]


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Settings) -> None:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]


@pytest.fixture(autouse=True)
def _kinds_of_the_lab() -> None:
    assert registry.get("lab.echo").handler is worklab.echo


@pytest.fixture(autouse=True)
def _starts_weigh_more(monkeypatch: pytest.MonkeyPatch) -> None:
    weigh_more(monkeypatch, "flow.start")


@pytest.fixture
def asker(transactional_db: None) -> User:
    grants.provision()
    return grant(User.objects.create_user("asker"), "flow.start", "flow_start.manage")


@pytest.fixture
def decider(transactional_db: None) -> User:
    return grant(User.objects.create_user("decider"), "approval.decide")


@pytest.fixture
def subscription(asker: User) -> Subscription:
    with acting(asker):
        return subscribe()


@pytest.fixture
def _double_is_there(asker: User) -> None:
    with acting(asker):
        register()


@pytest.fixture
def waiting(asker: User) -> str:
    """A flow whose first step waits for a year: operators act on it."""
    document = {
        "id": "rest",
        "name": "rest",
        "type": "wait",
        "wait": {"for_ms": 31_536_000_000},
        "attributes": {"hours": {"role": "optional"}, "rested": {"role": "output"}},
    }
    with acting(asker):
        flows.register_step(step=step_from_json(document))
        flows.start_flow(flow_id="f1", goals=["rest"], init={"hours": [8]})
    return "f1"


def subscribe(**facts: Any) -> Subscription:
    facts = {"url": SECRET_URL, "events": ["ledger.approval.requested"], **facts}
    return subscriptions.create_subscription(**facts)[0]


def register(**changes: Any) -> object:
    return flows.register_step(step=step_from_json({**DOUBLE, **changes}))


def update(**changes: Any) -> object:
    return flows.update_step(step=step_from_json({**DOUBLE, **changes}))


def begin(**changes: Any) -> object:
    stated = {"id": "f2", "goals": ["double"], "init": {"speed": [4]}, **changes}
    return flows.start_flow(flow_id=stated.pop("id"), **stated)


def declare(**changes: Any) -> object:
    stated = {"goals": ["double"], "init": {"speed": [4]}, "cron": "0 0 1 1 *", **changes}
    return starts.declare_start(name="yearly", **stated)


def plan(**changes: Any) -> object:
    stated = {"cron": "0 0 1 1 *", "input": {"n": 1}, **changes}
    return work.schedule("lab.echo", name="echoes", **stated)


def takes_another() -> None:
    with context.acting(SYSTEM):
        put_into_force(capabilities=("*",), condition="true", principals=("user",))


@pytest.mark.parametrize(
    ("act", "other"),
    [
        (register, {"attributes": TENFOLD["attributes"], "script": TENFOLD["script"]}),
        (register, {"id": "triple"}),
        (register, {"name": "Another name"}),
        (plan, {"cron": "* * * * *"}),
        (plan, {"input": {"n": 1_000_000}}),
        (plan, {"missed": "all"}),
        (plan, {"enabled": False}),
    ],
)
def test_what_is_made(asker: User, decider: User, act: Act, other: dict[str, Any]) -> None:
    takes_another()

    good_for_just_that(asker, decider, agreed=act, other=lambda: act(**other))


@pytest.mark.parametrize(
    ("act", "agreed", "other"),
    [
        (flows.cancel_flow, {"compensates": False}, {"compensates": True}),
        (flows.pause_flow, {}, {"reason": "Another one"}),
        (flows.force_step, {"step_id": "rest", "outputs": {"rested": 1}}, {"outputs": {}}),
        (flows.skip_step, {"step_id": "rest"}, {"reason": "Another one"}),
        (
            flows.fork_flow,
            {"new_flow_id": "f2", "from_step": "rest", "init": {"hours": [8]}},
            {"init": {"hours": [1_000_000]}},
        ),
        (
            flows.fork_flow,
            {"new_flow_id": "f2", "from_step": "rest"},
            {"new_flow_id": "f3"},
        ),
    ],
)
def test_what_operators_do(
    asker: User,
    decider: User,
    waiting: str,
    act: Act,
    agreed: dict[str, Any],
    other: dict[str, Any],
) -> None:
    takes_another()
    stated = {"flow_id": waiting, "reason": "It was asked for", **agreed}

    good_for_just_that(
        asker, decider, agreed=lambda: act(**stated), other=lambda: act(**{**stated, **other})
    )


def test_a_flow_is_of_the_steps_that_there_were(asker: User, decider: User) -> None:
    with acting(asker):
        register()
    takes_another()
    with acting(asker), pytest.raises(ApprovalRequired) as required:
        begin()
    say(required.value.approval, decider)

    with context.acting(SYSTEM):
        update(script=TENFOLD["script"])

    with acting(asker), pytest.raises(ApprovalRequired) as again:
        begin()
    assert again.value.approval.pk != required.value.approval.pk


@pytest.mark.parametrize(
    ("act", "other"),
    [
        (update, {"script": TENFOLD["script"]}),
        (begin, {"id": "f3"}),
        (begin, {"init": {"speed": [1_000_000]}}),
        (begin, {"labels": {"to": "all"}}),
        (begin, {"options": {"compensate": True}}),
        (declare, {"init": {"speed": [1_000_000]}}),
        (declare, {"cron": "* * * * *"}),
        (declare, {"labels": {"to": "all"}}),
    ],
)
@pytest.mark.usefixtures("_double_is_there")
def test_what_is_done_with_a_step_that_there_is(
    asker: User, decider: User, act: Act, other: dict[str, Any]
) -> None:
    takes_another()
    agreed = {"name": "Doubles"} if act is update else {}

    good_for_just_that(
        asker, decider, agreed=lambda: act(**agreed), other=lambda: act(**agreed, **other)
    )


@pytest.mark.parametrize(
    "other",
    [
        {"url": f"{HERE}/hooks/other"},
        {"events": ["ledger.approval.decided"]},
        {"description": "Another"},
    ],
)
def test_who_is_let_listen(asker: User, decider: User, other: dict[str, Any]) -> None:
    takes_another()

    good_for_just_that(asker, decider, agreed=subscribe, other=lambda: subscribe(**other))

    assert Subscription.objects.get().url == SECRET_URL


@pytest.mark.parametrize(
    ("act", "agreed", "other"),
    [
        (subscriptions.update_subscription, {"url": SECRET_URL + "2"}, {"url": SECRET_URL + "3"}),
        (subscriptions.update_subscription, {"description": "a"}, {"description": "b"}),
        (sending.send_test, {}, {"event": "ledger.approval.decided"}),
    ],
)
def test_what_is_done_to_a_subscription(
    asker: User,
    decider: User,
    subscription: Subscription,
    act: Act,
    agreed: dict[str, Any],
    other: dict[str, Any],
) -> None:
    takes_another()
    stated = {"subscription_id": subscription.pk, **agreed}

    good_for_just_that(
        asker, decider, agreed=lambda: act(**stated), other=lambda: act(**{**stated, **other})
    )


def test_the_secret_of_an_address_is_nowhere_in_what_an_approval_keeps(asker: User) -> None:
    takes_another()

    with acting(asker), pytest.raises(ApprovalRequired) as required:
        subscribe()

    asked_in = required.value.approval.requested_entry_id
    kept = asking.content_of(asked_in, PayloadKind.COMMAND_INPUT)
    assert kept["origin"] == HERE
    plain = hashlib.sha256(SECRET_URL.encode()).hexdigest()
    assert kept["urlDigest"] != plain
    body = bytes(Entry.objects.get(pk=asked_in).body).decode()
    for text in (str(kept), body):
        assert "s3cret" not in text
        assert "t0ken" not in text


class TestInTheAdmin:
    @pytest.fixture
    def browser(self, asker: User) -> Client:
        grant(asker, "webhook.read", "webhook.manage", "webhook.replay")
        grant(asker, "job.read", "schedule.manage")
        asker.is_staff = True
        asker.save()
        browser = Client()
        browser.force_login(asker)
        return browser

    def send(self, browser: Client, page: str, action: str, *rows: object) -> str:
        form = {"action": action, "_selected_action": [str(row) for row in rows]}
        return browser.post(f"/admin/{page}/", form, follow=True).text

    def test_what_was_agreed_to_is_done_when_it_is_chosen_again(
        self, browser: Client, decider: User, subscription: Subscription
    ) -> None:
        with context.acting(SYSTEM):
            other = subscribe(url=f"{HERE}/other")
        takes_another()

        shown = self.send(browser, "webhooks/subscription", "disable", subscription.pk)
        assert "It awaits approval" in shown
        say(Approval.objects.get(), decider)

        # The other row of the same choice is asked for, and not done under it.
        shown = self.send(browser, "webhooks/subscription", "disable", subscription.pk, other.pk)

        assert shown.count("It awaits approval") == 1
        subscription.refresh_from_db()
        other.refresh_from_db()
        assert (subscription.standing, other.standing) == ("paused", "active")
        assert Approval.objects.filter(status="pending").count() == 1

    def test_a_schedule_that_may_not_be_switched_is_told_so(
        self, browser: Client, decider: User, asker: User
    ) -> None:
        with acting(asker):
            plan()
        takes_another()

        shown = self.send(browser, "work/schedule", "disable", "echoes")

        assert "It awaits approval" in shown
        assert Schedule.objects.get().enabled
        say(Approval.objects.get(), decider)
        self.send(browser, "work/schedule", "disable", "echoes")
        assert not Schedule.objects.get().enabled


def test_what_was_agreed_to_is_done_in_the_console_when_it_is_sent_again(
    asker: User, decider: User, waiting: str
) -> None:
    browser = Client()
    browser.force_login(grant(asker, "flow.read", "flow.pause"))
    takes_another()

    def pause(why: str) -> str:
        return browser.post(f"/flows/{waiting}/pause", {"reason": why}, follow=True).text

    shown = pause("The till is broken")
    assert "do just the same again" in shown
    say(Approval.objects.get(), decider)
    pause("The till is open")
    assert not FlowSummary.objects.get().is_paused

    pause("The till is broken")

    assert FlowSummary.objects.get().is_paused

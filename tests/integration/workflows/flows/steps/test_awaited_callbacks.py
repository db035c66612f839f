"""Who awaits a callback: in the list as long as the item is under way, and not a moment longer."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from events import context, doctor, store
from events.domain.principal import Principal, PrincipalKind
from ledger import approval_policies as seeded
from ledger.services import approval_policies
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.live import eventually
from tests.support.step_server import Answer, Heard, StepServer
from workflows.flows import services
from workflows.flows.domain import commands as asked
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import AwaitedCallback
from workflows.flows.steps import receipts
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

ONCE = {"max_retries": 1, "init_backoff": 60, "max_backoff": 60, "parallelism": 2}


@pytest.fixture(autouse=True)
def _ada_acts() -> Iterator[None]:
    ada = User.objects.create_user("ada")
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        yield


def start(peer: StepServer, **http: Any) -> None:
    """Start a flow of one step that calls back, for two items."""
    body = {
        "id": "print",
        "name": "print",
        "type": "async",
        "http": {"endpoint": peer.url("/print"), **http},
        "attributes": {"n": {"role": "required", "required": {"for_each": True}}},
        "work_config": ONCE,
    }
    services.register_step(step=step_from_json(body))
    services.start_flow(flow_id="trip", goals=["print"], init={"n": [[1, 2]]})
    work_off()


def tokens() -> list[str]:
    return [*flow("trip").executions["print"].order]


def awaited() -> set[str]:
    return {str(one.token) for one in AwaitedCallback.objects.all()}


def call_back(token: str, error: str = "") -> None:
    at: dict[str, Any] = {"step_id": "print", "token": token}
    outcome = asked.FailWork(**at, error=error) if error else asked.SucceedWork(**at, outputs={})
    receipts.receive(flow_id="trip", step_id="print", token=token, outcome=outcome, raw=b"")


def waiting_for_a_lock() -> int:
    """Return how many connections to this database wait for one."""
    with connection.cursor() as cursor:
        # Within a transaction the view stays as it was first seen.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def is_sound() -> bool:
    found = [doctor.examine(one) for one in doctor.checks() if one.id.startswith("I11-")]
    return not [violation for one in found for violation in one.violations]


def give_up() -> None:
    services.cancel_flow(flow_id="trip", reason="enough")
    assert awaited() == {*tokens()}
    services.skip_step(flow_id="trip", step_id="print", reason="they have closed")


def force() -> None:
    services.force_step(flow_id="trip", step_id="print", outputs={})
    assert awaited() == {*tokens()}
    services.skip_step(flow_id="trip", step_id="print", reason="they have closed")


def be_late() -> None:
    later(2)
    work_off()
    assert awaited() == set()
    later(2)
    work_off()
    assert awaited() == {*tokens()}
    later(20)


def call_back_for_both() -> None:
    for token in tokens():
        call_back(token)


def fail_and_call_back() -> None:
    call_back(tokens()[0], error="no paper")
    call_back(tokens()[1])


@pytest.mark.parametrize("end", [call_back_for_both, fail_and_call_back, give_up, force, be_late])
def test_an_item_that_has_ended_is_not_awaited_any_more(
    peer: StepServer, end: Callable[[], None]
) -> None:
    start(peer, callback_timeout=1000)
    assert awaited() == {*tokens()}

    end()
    work_off()

    assert awaited() == set()
    assert flow("trip").is_over
    assert is_sound()


def test_one_that_calls_back_before_it_has_answered_is_not_awaited(peer: StepServer) -> None:
    def answer(heard: Heard) -> Answer:
        call_back(heard.headers["argyll-receipt-token"])
        connection.close()  # That of the server's thread.
        return 202, {}

    peer.says["/print"] = answer

    start(peer, callback_timeout=1000)

    assert flow("trip").is_over
    assert awaited() == set()
    assert not Work.objects.filter(kind="flow.callback_timeout").exists()


def test_of_two_callbacks_at_once_the_second_is_told_that_there_was_one(peer: StepServer) -> None:
    start(peer)
    token, both_are_there = tokens()[0], threading.Barrier(3)

    def deliver(number: int) -> receipts.Verdict:
        outcome = asked.SucceedWork(step_id="print", token=token, outputs={"by": number})
        both_are_there.wait(timeout=10)
        try:
            return receipts.receive(
                flow_id="trip", step_id="print", token=token, outcome=outcome, raw=b"%d" % number
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            store.lock([("flow", "trip")])
            calling = [pool.submit(deliver, number) for number in range(2)]
            both_are_there.wait(timeout=10)
            eventually(lambda: waiting_for_a_lock() == 2)
        verdicts = {one.result() for one in calling}

    assert verdicts == {receipts.Verdict.FIRST, receipts.Verdict.CONFLICT}


def test_the_doctor_names_whoever_awaits_the_callback_of_a_flow_that_is_over(
    peer: StepServer,
) -> None:
    start(peer)
    rows = list(AwaitedCallback.objects.all())
    call_back_for_both()
    AwaitedCallback.objects.bulk_create(rows)

    [found] = [doctor.examine(one) for one in doctor.checks() if one.id == "I11-waits"]

    assert {*found.violations} == {"flow trip is over, and its step print waits for its callback"}


def test_the_doctor_says_how_to_end_a_flow_that_waits_for_no_more_than_a_callback(
    peer: StepServer,
) -> None:
    start(peer)
    services.cancel_flow(flow_id="trip", reason="enough")
    work_off()
    assert not flow("trip").is_over
    assert is_sound()

    since = timezone.now() - timedelta(days=1, seconds=1)
    AwaitedCallback.objects.filter(token=tokens()[1]).update(since=since)

    [found] = [doctor.examine(one) for one in doctor.checks() if one.id == "I11-callbacks"]
    [violation] = found.violations
    assert violation == (
        "flow trip has failed, and its step print may still call back, since "
        f"{since:%Y-%m-%d %H:%M} UTC: skip the step if it will not"
    )
    services.skip_step(flow_id="trip", step_id="print", reason="they have closed")
    assert flow("trip").is_over
    assert is_sound()


def test_the_doctor_leaves_alone_who_waits_until_a_timeout(peer: StepServer) -> None:
    start(peer, callback_timeout=10**9)
    services.cancel_flow(flow_id="trip", reason="enough")
    work_off()

    AwaitedCallback.objects.update(since=timezone.now() - timedelta(days=2))

    assert not flow("trip").is_over
    assert is_sound()


@pytest.mark.parametrize(
    "how",
    [
        {"type": "approval", "approval": {}},
        {"type": "wait", "wait": {"for_ms": 60_000}},
        {"type": "python", "python": {"callable": "not.here"}},
        {"type": "flow", "flow": {"goals": ["nap"]}},
    ],
)
def test_what_is_not_called_over_http_is_not_called_back_for(how: dict[str, Any]) -> None:
    approval_policies.install_policies(every=seeded.POLICIES)
    nap = {"id": "nap", "name": "nap", "type": "wait", "wait": {"for_ms": 60_000}}
    for body in (nap, {"id": "do", "name": "do", **how}):
        services.register_step(step=step_from_json({"attributes": {}, **body}))
    services.start_flow(flow_id="trip", goals=["do"], init={})
    work_off()
    [token] = flow("trip").executions["do"].order
    outcome = asked.SucceedWork(step_id="do", token=token, outputs={})

    with pytest.raises(receipts.CallbackUnknown, match="Work item not found for token"):
        receipts.receive(flow_id="trip", step_id="do", token=token, outcome=outcome, raw=b"{}")

    assert flow("trip").executions["do"].status == "active"

"""A worker that is rung for a step reads its flow in the round trip of the claim."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from events.sourcing import states
from tests.integration.workflows.flows.conftest import flow
from tests.integration.workflows.flows.execution.test_going_on import the_work
from workflows.flows import services
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import aggregates, engine, reading
from workflows.flows.steps import callables
from workflows.work import leases, registry, runner
from workflows.work.domain.claim import Claim
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_step() -> Iterator[None]:
    how = {"type": "python", "python": {"callable": "greet"}}
    attributes = {"word": {"role": "output"}}
    services.register_step(
        step=step_from_json({"id": "greet", "name": "greet", "attributes": attributes, **how})
    )
    callables.step_function("greet")(lambda _inputs: {"word": "hello"})
    yield
    callables._registered.pop("greet")


def start(flow_id: str = "trip") -> None:
    services.start_flow(flow_id=flow_id, goals=["greet"], init={})


def claimed(work: Work) -> Claim:
    """Claim a piece of work as a worker that is rung for it does."""
    [reads] = registry.all_reads()
    claims, [rows] = leases.claim_reading(
        [work.id], worker="w", kinds=registry.names(), along=[reads(work.id)]
    )
    claims[0].watch.read = rows
    return claims[0]


def test_takes_two_round_trips_for_a_flow_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HEALTH_KNOWN_S", 3600)
    start("warm")
    runner.take([the_work().id], worker="w")
    start()
    work = the_work()
    states.forget_all()
    engine.health_of_late()
    trips: list[str] = []
    raw = connection.connection
    wait = raw.wait

    def counted(gen: Any, *args: Any, **kwargs: Any) -> Any:
        trips.append(gen.__name__)
        return wait(gen, *args, **kwargs)

    raw.wait = counted
    try:
        runner.take([work.id], worker="w", is_rung=True)
    finally:
        del raw.wait

    # The claim with the flow, and the result; psycopg's books have nothing to say.
    assert trips == ["together", "execute"]
    assert flow("trip").status == FlowStatus.COMPLETED


def test_is_all_that_a_worker_has_to_know() -> None:
    start()
    claim = claimed(the_work())
    states.forget_all()

    assert reading.is_known(claim)

    known = states.cached(aggregates.FLOWS, aggregates.stream_of("trip"))
    assert known is not None
    assert known.state == flow("trip")


def test_follows_what_this_process_knew_before() -> None:
    start()
    stream = aggregates.stream_of("trip")
    old = states.cached(aggregates.FLOWS, stream)
    assert old is not None
    services.pause_flow(flow_id="trip", reason="lunch")
    services.resume_flow(flow_id="trip")
    states.remember(aggregates.FLOWS, stream, old)

    assert reading.is_known(claimed(the_work()))

    known = states.cached(aggregates.FLOWS, stream)
    assert known is not None
    assert known.sequence == old.sequence + 2
    assert known.state == flow("trip")


def test_does_not_trust_a_subject_that_does_not_name_the_flow() -> None:
    start()
    claim = claimed(the_work())
    states.forget_all()

    assert not reading.is_known(replace(claim, input={**claim.input, "flow_id": "a~1b"}))

    assert states.cached(aggregates.FLOWS, aggregates.stream_of("a~1b")) is None


def test_is_made_up_for_where_the_subject_was_too_long_for_the_id() -> None:
    start("a" * 250)
    work = the_work()
    states.forget_all()

    runner.take([work.id], worker="w", is_rung=True)

    assert flow("a" * 250).status == FlowStatus.COMPLETED


def test_finds_nothing_of_other_work() -> None:
    [reads] = registry.all_reads()

    assert leases.claim_reading(
        [Work().id], worker="w", kinds=registry.names(), along=[reads(Work().id)]
    ) == ([], [[]])

"""A flow goes on from step to step: one statement each, no message, nothing lost."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from events import selectors
from events.sourcing import states
from tests.integration.workflows.flows.conftest import flow, later, work_off
from workflows.flows import services
from workflows.flows.domain.flow import FlowStatus, WorkStatus
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import aggregates, engine
from workflows.flows.steps import callables
from workflows.work import leases, runner, stopping
from workflows.work.models import Attempt, EveryAttempt, Work

pytestmark = pytest.mark.django_db(transaction=True)

Meanwhile = Callable[[], object]


@pytest.fixture(autouse=True)
def meanwhile() -> Iterator[dict[str, Meanwhile]]:
    """What happens while the step of that name is under way."""
    happens: dict[str, Meanwhile] = {}

    def of(name: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        def step(_inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            happens.pop(name, lambda: None)()
            return {name: 1}

        return step

    for name in _NAMES:
        callables.step_function(name)(of(name))
    yield happens
    for name in _NAMES:
        callables._registered.pop(name)


_NAMES = [f"v{number}" for number in range(10)]


def chain(length: int, *, is_script: bool = False) -> str:
    """Register steps of which each needs what the one before gives, and return the last."""
    for number, name in enumerate(_NAMES[:length]):
        how: dict[str, Any] = {"type": "python", "python": {"callable": name}}
        if is_script:
            script = {"language": "ale", "script": f"{{:{name} 1}}"}
            how = {"type": "script", "script": script}
        attributes: dict[str, Any] = {name: {"role": "output"}}
        if number:
            attributes[_NAMES[number - 1]] = {"role": "required"}
        register(f"s{number}", attributes, **how)
    return f"s{length - 1}"


def register(id_: str, attributes: dict[str, Any], **how: Any) -> None:
    definition = {"id": id_, "name": id_, "attributes": attributes, **how}
    services.register_step(step=step_from_json(definition))


def run(flow_id: str, goal: str) -> None:
    services.run_flow(flow_id=flow_id, goals=[goal], init={})


def start(flow_id: str, goal: str) -> None:
    services.start_flow(flow_id=flow_id, goals=[goal], init={})


def the_work() -> Work:
    return Work.objects.get(status="ready", kind="flow.invoke")


class Tally(CaptureQueriesContext):
    """Counts statements without BEGIN and COMMIT, and commits, those of reads included."""

    statements = commits = 0

    def __exit__(self, *why: Any) -> None:
        super().__exit__(*why)
        is_open = False
        for query in self.captured_queries:
            if query["sql"] == "BEGIN":
                is_open = True
            elif query["sql"] == "COMMIT":
                is_open, self.commits = False, self.commits + 1
            else:
                self.statements += 1
                self.commits += not is_open


class TestTenSteps:
    def test_take_eleven_statements_and_as_many_commits(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "HEALTH_KNOWN_S", 3600)
        goal = chain(10)
        run("warm", goal)

        with Tally(connection) as tally:
            run("ten", goal)

        assert flow("ten").status == FlowStatus.COMPLETED
        # The start with its entry in the ledger, and one per step.
        assert (tally.statements, tally.commits) == (11, 11)

    def test_that_are_scripts_take_one_commit_with_the_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "HEALTH_KNOWN_S", 3600)
        goal = chain(10, is_script=True)
        run("warm", goal)

        with Tally(connection) as tally:
            run("scripts", goal)

        assert flow("scripts").status == FlowStatus.COMPLETED
        # The whole run and its entry in the ledger.
        assert (tally.statements, tally.commits) == (1, 1)


def test_a_flow_that_is_run_here_goes_on_however_long_it_takes() -> None:
    goal = chain(4)

    with override_settings(WORK_GO_ON_MAX=2, WORK_GO_ON_S=0.000_001):
        run("here", goal)

    assert flow("here").status == FlowStatus.COMPLETED


class TestTheWorkerThatCompletedAStep:
    def test_goes_on_without_a_message(self) -> None:
        start("trip", chain(3))

        assert runner.take([the_work().id], worker="w") == 3

        assert flow("trip").status == FlowStatus.COMPLETED
        rows = Work.objects.filter(subject="flow/trip").order_by("id")
        assert [(row.leased_by, row.status, row.fence) for row in rows] == [("w", "done", 1)] * 3
        assert [row.rung_at is None for row in rows] == [False, True, True]
        assert list(EveryAttempt.objects.values_list("outcome", flat=True)) == ["done"] * 3
        assert not Attempt.objects.exists()

    def test_rings_for_what_is_ready_beside(self) -> None:
        for name in _NAMES[1:3]:
            attributes = {"v0": {"role": "required"}, name: {"role": "output"}}
            register(name, attributes, type="python", python={"callable": name})
        chain(1)
        services.start_flow(flow_id="fork", goals=["v1", "v2"], init={})

        assert runner.take([the_work().id], worker="w") == 2

        beside = the_work()
        assert beside.rung_at is not None
        assert flow("fork").status == FlowStatus.ACTIVE
        work_off()
        assert flow("fork").status == FlowStatus.COMPLETED

    def test_looks_around_after_a_while(self) -> None:
        start("trip", chain(4))

        with override_settings(WORK_GO_ON_MAX=2):
            assert runner.take([the_work().id], worker="w") == 2

        assert the_work().input == Work.objects.order_by("-id").values_list("input", flat=True)[0]

    def test_gives_back_what_follows_when_it_was_asked_to_stop(
        self, meanwhile: dict[str, Meanwhile], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stopping, "_asked", bytearray(1))
        meanwhile["v0"] = stopping.ask
        start("trip", chain(3))

        assert runner.take([the_work().id], worker="w") == 1

        left = Work.objects.get(subject="flow/trip", finished_at=None)
        assert (left.status, left.lease_until) == ("scheduled", None)
        stopping.share()
        work_off()
        assert flow("trip").status == FlowStatus.COMPLETED

    def test_does_not_go_on_when_it_is_told_to_take_one(self) -> None:
        start("trip", chain(2))

        with override_settings(WORK_GO_ON_MAX=1):
            assert runner.take([the_work().id], worker="w") == 1

        assert the_work().fence == 0


class TestNothingIsLostWhen:
    def test_the_worker_dies_with_what_it_was_handed(self, meanwhile: dict[str, Meanwhile]) -> None:
        class Killed(BaseException):
            """Nobody catches it, as nobody catches a kill."""

        def die() -> None:
            raise Killed

        meanwhile["v1"] = die
        start("trip", chain(3))
        with pytest.raises(Killed):
            runner.take([the_work().id], worker="dead")
        held = Work.objects.get(status="leased")
        assert (held.leased_by, held.attempt, held.fence) == ("dead", 1, 1)

        Work.objects.filter(pk=held.pk).update(lease_until=F("claimed_at"))
        leases.expire(limit=10)
        later(seconds=60)
        work_off()

        assert flow("trip").status == FlowStatus.COMPLETED
        outcomes = (
            EveryAttempt.objects.filter(work=held).order_by("id").values_list("outcome", "worker")
        )
        assert list(outcomes) == [("crashed", "dead"), ("done", "test")]
        assert Attempt.objects.count() == 2

    def test_the_claim_was_taken_away_meanwhile(self, meanwhile: dict[str, Meanwhile]) -> None:
        def lose() -> None:
            Work.objects.filter(status="leased").update(fence=F("fence") + 1)

        meanwhile["v0"] = lose
        start("trip", chain(2))
        before = [event.name for event in selectors.stream_events(("flow", "trip"))]

        runner.take([the_work().id], worker="slow")

        assert [event.name for event in selectors.stream_events(("flow", "trip"))] == before
        assert Work.objects.filter(subject="flow/trip").count() == 1
        assert list(EveryAttempt.objects.values_list("outcome", flat=True)) == ["stale"]

    def test_another_process_changed_the_flow_meanwhile(
        self, meanwhile: dict[str, Meanwhile]
    ) -> None:
        def pause_elsewhere() -> None:
            stream = aggregates.stream_of("trip")
            known = states.cached(aggregates.FLOWS, stream)
            assert known is not None
            services.pause_flow(flow_id="trip", reason="lunch")
            states.remember(aggregates.FLOWS, stream, known)

        meanwhile["v1"] = pause_elsewhere
        start("trip", chain(3))

        assert runner.take([the_work().id], worker="w") == 2

        assert flow("trip").is_paused
        assert flow("trip").executions["s1"].items[_token("s1")].status == WorkStatus.SUCCEEDED
        services.resume_flow(flow_id="trip")
        work_off()
        assert flow("trip").status == FlowStatus.COMPLETED

    def test_two_start_the_same_flow(self) -> None:
        goal = chain(1)
        start("trip", goal)

        again = services.start_flow(flow_id="trip", goals=[goal], init={})

        assert again.id == "trip"
        assert Work.objects.filter(subject="flow/trip").count() == 1


def _token(step_id: str) -> str:
    return flow("trip").executions[step_id].order[0]


def test_items_that_begin_together_are_not_compared_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = {"n": {"role": "required", "required": {"for_each": True}}}
    count = 400
    at_once = {"parallelism": count}
    register("nap", each, type="wait", wait={"for_ms": 60_000}, work_config=at_once)
    compared = 0

    def equal(one: UUID, other: object) -> bool:
        nonlocal compared
        compared += 1
        return isinstance(other, UUID) and one.int == other.int

    monkeypatch.setattr(UUID, "__eq__", equal)

    services.start_flow(flow_id="naps", goals=["nap"], init={"n": [list(range(count))]})

    assert Work.objects.filter(subject="flow/naps").count() == count
    assert compared < 10 * count

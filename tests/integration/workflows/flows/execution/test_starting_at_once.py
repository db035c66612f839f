"""A flow is started by one statement: planned on what is known, if that is the latest."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from events import bus
from events import doorbell as events_doorbell
from events.companions import PremiseMoved
from events.domain.envelope import Envelope
from events.sourcing import states
from ledger.approving import in_force
from ledger.models import Entry
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.test_statements import assert_columns_say_what_the_body_says
from tests.integration.workflows.flows.conftest import flow
from tests.integration.workflows.flows.execution.test_going_on import Tally
from workflows.flows import actions, beginning, services
from workflows.flows.domain.errors import FlowBusy, FlowInvalid, GoalsUnknown
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.execution.aggregates import CATALOG, CATALOG_STREAM
from workflows.flows.models import FlowSummary
from workflows.work import doorbell
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)


def step(name: str = "greet", *, gives: str = "word", needs: str = "") -> Any:
    attributes: dict[str, Any] = {gives: {"role": "output"}}
    if needs:
        attributes[needs] = {"role": "required"}
    how = {"type": "python", "python": {"callable": name}, "attributes": attributes}
    return step_from_json({"id": name, "name": name, **how})


def start(flow_id: str = "trip", goal: str = "greet", **options: Any) -> None:
    services.start_flow(flow_id=flow_id, goals=[goal], init={}, options=options)


def elsewhere(change: Callable[[], object]) -> None:
    """Change the catalog as another process does: this one does not notice."""
    known = states.cached(CATALOG, CATALOG_STREAM)
    assert known is not None
    change()
    states.remember(CATALOG, CATALOG_STREAM, known)


def starts() -> list[Entry]:
    return list(Entry.objects.filter(action_name="flow.start"))


def rows() -> tuple[int, int, int]:
    """Return how many flows, entries of starts and rows of work there are."""
    return FlowSummary.objects.count(), len(starts()), Work.objects.count()


@pytest.fixture(autouse=True)
def _a_step() -> None:
    services.register_step(step=step())
    engine.health_of_late()


class TestAStart:
    def test_is_one_statement_with_its_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "HEALTH_KNOWN_S", 3600)
        start("warm")

        with Tally(connection) as tally:
            start()

        assert (tally.statements, tally.commits) == (1, 1)
        assert rows() == (2, 2, 2)

    def test_has_the_entry_that_it_would_have_by_itself(self) -> None:
        start()

        [entry] = starts()
        assert_columns_say_what_the_body_says(entry.pk)
        assert (entry.mutation.summary, entry.target_id) == ("Started for greet.", "trip")

    def test_that_is_refused_leaves_nothing(self) -> None:
        start("first", concurrency_key="k")

        with pytest.raises(FlowBusy):
            start("second", concurrency_key="k")

        assert rows() == (1, 1, 1)

    def test_in_a_transaction_with_hooks_is_seen_by_them(self) -> None:
        seen: list[int] = []

        def look(event: Envelope) -> None:
            assert connection.in_atomic_block
            seen.append(Work.objects.filter(subject=f"flow/{event.data['flow_id']}").count())

        hook = bus.before_commit("flow_started", look)
        try:
            start()
        finally:
            hook.unsubscribe()

        assert seen == [1]
        assert rows() == (1, 1, 1)

    def test_rings_for_its_work_before_anything_else_that_follows_the_commit(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rung: list[str] = []
        monkeypatch.setattr(doorbell, "ring", lambda *_ids, **_size: rung.append("worker"))
        monkeypatch.setattr(
            events_doorbell._committed, "send", lambda *_what: rung.append("sequencer")
        )

        start()

        assert rung == ["worker", "sequencer"]


class TestAPlanOfAnOlderCatalog:
    def test_is_made_anew_if_a_step_was_changed(self) -> None:
        elsewhere(lambda: services.update_step(step=step(gives="phrase")))

        start()

        assert list(flow("trip").plan.steps["greet"].attributes) == ["phrase"]
        assert rows() == (1, 1, 1)

    def test_is_refused_if_the_latest_refuses_it(self) -> None:
        elsewhere(lambda: services.unregister_step(step_id="greet"))

        with pytest.raises(GoalsUnknown):
            start()

        assert rows() == (0, 0, 0)

    def test_is_refused_for_an_input_that_is_needed_by_now(self) -> None:
        elsewhere(lambda: services.update_step(step=step(needs="name")))

        with pytest.raises(FlowInvalid):
            start()

        assert rows() == (0, 0, 0)

    def test_refuses_nothing_that_the_latest_has(self) -> None:
        elsewhere(lambda: services.register_step(step=step("part", gives="bye")))

        start(goal="part")

        assert list(flow("trip").plan.steps) == ["part"]

    def test_says_nothing_of_a_flow_that_is_there(self) -> None:
        start()
        elsewhere(lambda: services.unregister_step(step_id="greet"))

        start()

        assert rows() == (1, 1, 1)

    def test_is_no_failure_of_what_was_to_be_done(self) -> None:
        known = engine.catalog_last_seen()
        assert known is not None
        services.update_step(step=step(gives="phrase"))
        wanted = beginning.Wanted(flow_id="trip", goals=["greet"], init={}, labels={}, options={})
        command = beginning.command_for(wanted)
        action = actions.starting("trip", command)

        with pytest.raises(PremiseMoved):
            beginning.begin("trip", command, action, says="", premise=known[1])

        assert rows() == (0, 0, 0)


class TestAForkThatPoliciesAreAskedAbout:
    def test_is_recorded_once_if_others_are_in_force_by_now(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start()
        before = in_force.look()
        put_into_force()
        monkeypatch.setattr(in_force._Seen, "last", before)

        services.fork_flow(flow_id="trip", new_flow_id="again", from_step="greet")

        assert in_force.last_seen().mark != before.mark
        assert Entry.objects.filter(action_name="flow.fork", target_id="again").count() == 1
        assert FlowSummary.objects.count() == 2

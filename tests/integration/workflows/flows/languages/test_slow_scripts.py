"""Lua that is slow does not keep a decision's transaction open: it becomes work."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from ledger import expressions
from tests.integration.workflows.flows.conftest import flow, work_off
from workflows.flows import languages, services
from workflows.flows.domain.gates import ScriptPutOff
from workflows.flows.domain.step import Script
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.languages import allowance, cel, in_place, lua
from workflows.flows.languages.allowance import TookTooLong
from workflows.flows.languages.in_place import SCRIPTS_SECONDS_MAX, InPlace
from workflows.work.models import Work

SPIN = "local until_ = n * 1e6; local i = 0; while i < until_ do i = i + 1 end; return {done = i}"
FOREVER = "while true do end"


@contextmanager
def stopped_child(*, seconds: float) -> Iterator[None]:
    """Let the process that runs Lua have no processor for so long, or until the block ends."""
    lua.evaluate("return 1", {})
    assert lua._child._process is not None
    child = lua._child._process.pid
    os.kill(child, signal.SIGSTOP)
    again = threading.Timer(seconds, os.kill, [child, signal.SIGCONT])
    again.start()
    try:
        yield
    finally:
        again.cancel()


def register(text: str) -> None:
    definition = {
        "id": "spin",
        "name": "Spin",
        "type": "script",
        "script": {"language": "lua", "script": text},
        "attributes": {"n": {"role": "required"}, "done": {"role": "output"}},
    }
    services.register_step(step=step_from_json(definition))


@pytest.mark.django_db(transaction=True)
class TestSteps:
    def test_a_quick_one_is_done_when_start_returns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Of a machine that is busy with much else even this may ask for a while.
        monkeypatch.setattr(in_place, "SCRIPTS_SECONDS_MAX", 60)
        register("return {done = n}")
        services.start_flow(flow_id="trip", goals=["spin"], init={"n": [1]})

        assert flow("trip").is_over

    def test_a_slow_one_is_done_by_a_worker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Not to be raced: a processor is measured in ticks, in which much can be done.
        monkeypatch.setattr(in_place, "SCRIPTS_SECONDS_MAX", 0)
        register(SPIN)
        services.start_flow(flow_id="trip", goals=["spin"], init={"n": [1]})
        assert flow("trip").executions["spin"].status == "active"
        assert Work.objects.filter(kind="flow.invoke").count() == 1

        work_off()

        assert flow("trip").executions["spin"].outputs == {"done": 1_000_000}

    def test_one_without_an_end_fails_its_step(self) -> None:
        register(FOREVER)
        services.start_flow(flow_id="trip", goals=["spin"], init={"n": [1]})
        work_off()

        assert "took more than 1000 ms of processor time" in flow("trip").error


@pytest.mark.django_db(transaction=True)
class TestOnePlan:
    @pytest.mark.parametrize("plan", [services.preview_plan, services.start_flow])
    def test_gives_all_that_its_gates_ask_a_second_together(
        self, plan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(in_place, "CONDITIONS_SECONDS_MAX", 0.01)
        gate = {"match": {"language": "lua", "script": SPIN.replace("n * 1e6", "1e5 + value")}}
        definition = {
            "id": "gated",
            "name": "Gated",
            "type": "sync",
            "http": {"endpoint": "http://peer"},
            "attributes": {"x": {"role": "required", "required": gate}},
        }
        services.register_step(step=step_from_json(definition))
        asked = [0]

        def counted(*about: Any, **limits: Any) -> bool:
            asked[0] += 1
            return lua.holds(*about, **limits)

        monkeypatch.setitem(languages._HOLDS, "lua", counted)
        more = {"flow_id": "trip"} if plan is services.start_flow else {}

        plan(goals=["gated"], init={"x": [*range(500)]}, **more)

        assert 0 < asked[0] < 250


class TestOneDecision:
    @pytest.mark.parametrize("language", ["ale", "cel"])
    def test_puts_off_what_takes_longer_in_this_process(self, language: str) -> None:
        slow = {
            "ale": "(define (f n) (if (= n 0) 0 (+ (f (dec n)) (f (dec n))))) (f 20)",
            "cel": "l.all(i, l.all(j, l.all(k, i >= 0)))",
        }
        here = InPlace()

        with pytest.raises(ScriptPutOff):
            here.execute(Script(language=language, text=slow[language]), {"l": [*range(500)]})
        with pytest.raises(ScriptPutOff):
            here.execute(Script(language="ale", text="1"), {})

    def test_charges_nobody_for_being_the_first_of_a_process(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded, compiled = threading.Event(), cel._compiled

        spent = [0.0]

        def load_and_compile(source: str) -> Any:
            spent[0] += 0 if loaded.is_set() else SCRIPTS_SECONDS_MAX
            return compiled(source)

        really_load = expressions.load

        def load() -> None:
            really_load()  # Else whoever compiles first does, and is charged for it.
            loaded.set()

        monkeypatch.setattr(expressions, "load", load)
        monkeypatch.setattr(cel, "_compiled", load_and_compile)
        monkeypatch.setattr(in_place, "time", SimpleNamespace(thread_time=lambda: spent[0]))
        here, script = InPlace(), Script(language="cel", text="{'done': n}")

        assert [here.execute(script, {"n": n}) for n in (1, 2)] == [{"done": 1}, {"done": 2}]

    def test_gives_all_scripts_together_a_quarter_of_a_second(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = InPlace()
        slow = Script(language="lua", text=FOREVER)
        with pytest.raises(ScriptPutOff):
            here.execute(slow, {})

        monkeypatch.setattr(lua, "_asked", lambda *_: pytest.fail("it was run all the same"))
        with pytest.raises(ScriptPutOff):
            here.execute(slow, {})

    def test_asks_a_condition_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def answer(mode: str, *_: object) -> bool:
            asked.append(mode)
            return True

        monkeypatch.setattr(lua, "_asked", answer)
        here = InPlace()
        condition = Script(language="lua", text="return value > 1")

        assert [here.matches(condition, 2) for _ in range(3)] == [True] * 3
        assert here.matches(condition, 3)

        assert len(asked) == 2

    def test_does_not_charge_lua_for_a_machine_that_lets_it_wait(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The processor is not what is short here, so that a slow one makes no difference.
        monkeypatch.setattr(allowance, "CONDITION_SECONDS_MAX", 60)
        monkeypatch.setattr(in_place, "CONDITIONS_SECONDS_MAX", 60)
        here, waited_s = InPlace(), 0.4

        began = time.monotonic()
        with stopped_child(seconds=waited_s):
            spent = lua.spent()
            assert here.holds(Script(language="lua", text="return n > 1"), {"n": 2})
            took_s, charged_s = time.monotonic() - began, lua.spent() - spent
        assert took_s - charged_s > waited_s / 2
        assert here._for_conditions == pytest.approx(60 - charged_s)

    def test_puts_off_a_script_that_the_machine_does_not_get_round_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lua, "PATIENCE_S", 0.05)
        script = Script(language="lua", text="return {done = 1}")

        with stopped_child(seconds=10), pytest.raises(ScriptPutOff):
            InPlace().execute(script, {})
        monkeypatch.undo()
        assert InPlace().execute(script, {}) == {"done": 1}

    def test_gives_its_conditions_up_at_some_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(in_place, "CONDITIONS_SECONDS_MAX", 0)
        here = InPlace()

        with pytest.raises(TookTooLong):
            here.holds(Script(language="lua", text="return true"), {})

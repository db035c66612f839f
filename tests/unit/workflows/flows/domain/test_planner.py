"""The plans that Argyll makes of one small catalog, and where ours are better."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from workflows.flows.domain import plan as plans
from workflows.flows.domain.catalog import Catalog, StepRegistered, evolve
from workflows.flows.domain.errors import (
    ChildGoalsUnknown,
    FlowInvalid,
    GoalsUnknown,
    PlanCircular,
)
from workflows.flows.domain.plan import Plan, plan_from_json
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step import Script, Step
from workflows.flows.domain.step_json import step_from_json

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def step(id_: str, needs: str = "", gives: str = "", **extra: Any) -> dict[str, Any]:
    """Return a definition with these inputs (`name`, `name?` optional, `name:mode`)."""
    attributes: dict[str, Any] = {}
    for need in needs.split():
        name, _, mode = need.rstrip("?").partition(":")
        role = "optional" if need.endswith("?") else "required"
        attributes[name] = {"role": role, role: {"collect": mode} if mode else {}}
    for give in gives.split():
        attributes[give] = {"role": "output"}
    attributes |= extra.pop("attributes", {})
    return {
        "id": id_,
        "name": id_,
        "type": "sync",
        "http": {"endpoint": "http://peer"},
        "attributes": attributes,
        **extra,
    }


def catalog_of(*definitions: dict[str, Any]) -> Catalog:
    catalog = Catalog()
    for definition in definitions:
        catalog = evolve(catalog, StepRegistered(step=step_from_json(definition), at=NOON))
    return catalog


SAMPLE = catalog_of(
    step("pa", "p_in", "p_x"),
    step("pb", "", "p_x"),
    step("pc", "p_x p_opt?", "p_y"),
    step("pd", "p_q", "p_opt"),
    step("pe", "p_z:all", "p_w"),
    step("pf1", "", "p_z"),
    step("pf2", "p_u", "p_z"),
)


def equals_text(script: Script, value: Any) -> bool:
    return bool(value == script.text)


def plan(
    catalog: Catalog, goals: Sequence[str], *init: str, is_preview: bool = False, **values: Any
) -> Plan:
    given = {name: [1] for name in init} | {name: [value] for name, value in values.items()}
    return make_plan(catalog, goals, given, matches=equals_text, is_preview=is_preview)


class TestMakePlan:
    def test_follows_a_provider_that_lacks_something_in_a_preview(self) -> None:
        preview = plan(SAMPLE, ["pc"], is_preview=True)

        assert set(preview.steps) == {"pb", "pc", "pd"}
        assert preview.required == ("p_q",)
        assert preview.excluded.missing == {"pa": ("p_in",)}

    def test_leaves_an_optional_provider_out_that_cannot_run(self) -> None:
        assert set(plan(SAMPLE, ["pc"]).steps) == {"pb", "pc"}

    def test_runs_all_providers_that_can(self) -> None:
        assert set(plan(SAMPLE, ["pc"], "p_in").steps) == {"pa", "pb", "pc"}

    def test_leaves_out_what_init_supplies(self) -> None:
        supplied = plan(SAMPLE, ["pc"], "p_x")

        assert set(supplied.steps) == {"pc"}
        assert supplied.excluded.satisfied == {"pa": ("p_x",), "pb": ("p_x",)}

    def test_is_empty_when_init_supplies_the_goals(self) -> None:
        supplied = plan(SAMPLE, ["pc"], "p_x", "p_y")

        assert supplied.steps == {}
        assert supplied.excluded.satisfied["pc"] == ("p_y",)

    def test_keeps_a_goal_that_was_turned_down_as_a_provider(self) -> None:
        assert {"pa", "pc"} <= set(plan(SAMPLE, ["pc", "pa"]).steps)

    def test_demands_every_provider_of_a_collected_all(self) -> None:
        lacking = plan(SAMPLE, ["pe"])

        assert set(lacking.steps) == {"pe"}
        assert lacking.required == ("p_z",)
        assert set(plan(SAMPLE, ["pe"], "p_u").steps) == {"pe", "pf1", "pf2"}
        assert set(plan(SAMPLE, ["pe"], "p_z").steps) == {"pe"}

    def test_blocks_a_step_that_waits_for_nothing_but_gets_something(self) -> None:
        catalog = catalog_of(step("consumer", "data:none", "out"))

        blocked = plan(catalog, ["consumer"], "data")

        assert blocked.steps == {}
        assert blocked.excluded.blocked == {"consumer": ("data",)}

    def test_does_not_pull_providers_behind_a_closed_gate(self) -> None:
        gate = {"role": "required", "required": {"match": {"language": "lua", "script": "post"}}}
        catalog = catalog_of(
            step("send", "text", "sent", attributes={"by": gate}), step("write", "", "text")
        )

        assert set(plan(catalog, ["send"], by="fax").steps) == {"send"}
        assert set(plan(catalog, ["send"], by="post").steps) == {"send", "write"}

    def test_plans_child_flows_with_presence_only(self) -> None:
        catalog = catalog_of(
            step("child", "inner", "made"),
            {
                "id": "parent",
                "name": "parent",
                "type": "flow",
                "flow": {"goals": ["child"]},
                "attributes": {
                    "outer": {"role": "required", "required": {"mapping": {"name": "inner"}}}
                },
            },
        )

        child = plan(catalog, ["parent"], "outer").children["parent"]

        assert child.required == ()
        assert child.attributes["inner"].consumers == ("child",)

    def test_refuses_a_flow_that_contains_itself(self) -> None:
        catalog = catalog_of(
            {"id": "a", "name": "a", "type": "flow", "flow": {"goals": ["b"]}},
            {"id": "b", "name": "b", "type": "flow", "flow": {"goals": ["a"]}},
        )

        with pytest.raises(PlanCircular, match="circular dependency detected: step a"):
            plan(catalog, ["a"])

    def test_names_all_goals_when_one_is_unknown(self) -> None:
        with pytest.raises(GoalsUnknown, match=r"step not found: \[pa zz\]"):
            plan(SAMPLE, ["pa", "zz"])

    def test_names_the_step_whose_child_flow_has_an_unknown_goal(self) -> None:
        catalog = catalog_of(
            step("child", "made", "done"),
            {"id": "b", "name": "b", "type": "flow", "flow": {"goals": ["child", "zz"]}},
            {"id": "a", "name": "a", "type": "flow", "flow": {"goals": ["b"]}},
        )

        with pytest.raises(ChildGoalsUnknown, match="step b is a flow to reach zz") as refused:
            plan(catalog, ["a"])

        assert refused.value.facts == {"goals": ["a"], "step_id": "b", "missing": ["zz"]}

    def test_needs_a_goal(self) -> None:
        with pytest.raises(FlowInvalid, match="at least one goal step is required"):
            plan(SAMPLE, [])

    def test_survives_the_log(self) -> None:
        made = plan(SAMPLE, ["pe", "pc"], "p_u", "p_in")

        assert plan_from_json(made.as_json()) == made

    def test_is_read_once_however_many_flows_have_it(self) -> None:
        first, other = (
            plan(SAMPLE, ["pe", "pc"], "p_u", "p_in"),
            plan(SAMPLE, ["pe"], "p_u", "p_in"),
        )

        known = plan_from_json(first.as_json())

        assert plan_from_json(first.as_json()) is known
        assert plan_from_json(other.as_json()) == other != known

    def test_is_read_for_each_flow_if_it_is_too_large_to_keep(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(plans, "PLAN_BYTES_MAX", 10)
        made = plan(SAMPLE, ["pe", "pc"], "p_u", "p_in")

        once, twice = plan_from_json(made.as_json()), plan_from_json(made.as_json())

        assert once == twice == made
        assert once is not twice


class _Counted(dict[str, Step]):
    """Steps that count how often all of them were looked through."""

    looks = 0

    def values(self) -> Any:
        self.looks += 1
        return super().values()


def pairs(levels: int) -> Catalog:
    """Return flow steps of which each two have both of the next level as their goals."""

    def nest(id_: str, goals: list[str]) -> dict[str, Any]:
        return {"id": id_, "name": id_, "type": "flow", "attributes": {}, "flow": {"goals": goals}}

    steps = [step("leaf", "", "done")]
    for level in range(levels):
        goals = [f"{letter}{level - 1}" for letter in "ab"] if level else ["leaf"]
        steps += [nest(f"{letter}{level}", goals) for letter in "ab"]
    return catalog_of(*steps)


class TestChildFlows:
    def test_of_equal_goals_and_inputs_have_one_plan(self) -> None:
        made = plan(pairs(3), ["a2", "b2"])

        assert made.children["a2"] is made.children["b2"]
        assert made.steps_in_all == 22
        assert plan_from_json(made.as_json()) == made

    @pytest.mark.parametrize(
        ("levels", "says"),
        [
            (12, "plan too large: 12286 steps, with those of child flows (max 10000)"),
            (40, "child flows nest too deep: maximum is 12 levels"),
        ],
    )
    def test_are_planned_as_far_as_a_flow_may_have_them(self, levels: int, says: str) -> None:
        with pytest.raises(FlowInvalid, match=re.escape(says)):
            plan(pairs(levels), [f"a{levels - 1}", f"b{levels - 1}"])


def test_a_chain_is_planned_however_long_it_is() -> None:
    chain = [step(f"s{n}", f"x{n}", f"x{n + 1}") for n in range(2_000)]

    made = plan(catalog_of(*chain), ["s1999"], "x0")

    assert list(made.steps) == [f"s{n}" for n in range(2_000)]


def test_a_long_chain_is_planned_by_few_looks_at_the_catalog() -> None:
    chain = [step(f"s{n}", f"a{n - 1}" if n else "", f"a{n}") for n in reversed(range(50))]
    steps = _Counted(catalog_of(*chain).steps)
    known = replace(catalog_of(*chain), steps=steps)

    plan = make_plan(known, ["s49"], {}, matches=equals_text)

    assert len(plan.steps) == 50
    assert plan.required == ()
    assert steps.looks == 2

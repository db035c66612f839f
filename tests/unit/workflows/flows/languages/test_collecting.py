"""What a step is given: collected values, gates, conditions and mappings, in every language.

All steps are scripts, so that each flow is over as soon as it is started.
"""

from typing import Any

import pytest

from tests.support.flow_bench import OUTPUT, FlowBench, requires
from workflows.flows.domain import commands as asked
from workflows.flows.domain.flow import Execution
from workflows.flows.domain.planner import make_plan
from workflows.flows.languages import LANGUAGES

Definition = dict[str, Any]

LOST = "required input no longer available"


def script(id_: str, text: str, predicate: Any = None, **attributes: Any) -> Definition:
    return {
        "id": id_,
        "name": id_,
        "type": "script",
        "script": {"language": "ale", "script": text},
        "predicate": predicate,
        "attributes": attributes,
    }


def condition(language: str, text: str) -> dict[str, str]:
    return {"language": language, "script": text}


def run(*definitions: Definition, **init: list[Any]) -> Execution:
    """Run the last of these steps as the goal, and return what became of it."""
    bench = FlowBench(*definitions)
    bench.languages = LANGUAGES
    goal = str(definitions[-1]["id"])
    plan = make_plan(bench.catalog, [goal], init, matches=LANGUAGES.matches)
    bench.do(asked.StartFlow(plan=plan, init=init, options={}))
    assert bench.flow.is_over
    return bench.execution(goal)


def offers(*texts: str) -> list[Definition]:
    """Return as many providers of an offer, which give what these scripts say, in this order."""
    return [script(f"offer-{number}", text, offer=OUTPUT) for number, text in enumerate(texts)]


def choose(**config: Any) -> Definition:
    return script("choose", "{:chosen 1}", offer=requires(**config), chosen=OUTPUT)


GIVES_A, GIVES_B = '{:offer "a"}', '{:offer "b"}'
GIVES_NOTHING, FAILS = "{}", '(raise "sold out")'


class TestCollecting:
    @pytest.mark.parametrize(
        ("collect", "given"),
        [("first", "a"), ("last", "b"), ("some", ["a", "b"]), ("all", ["a", "b"])],
    )
    def test_takes_of_what_all_providers_gave(self, collect: str, given: Any) -> None:
        found = run(*offers(GIVES_A, GIVES_B), choose(collect=collect))

        assert found.inputs == {"offer": given}

    @pytest.mark.parametrize(
        ("collect", "given"),
        [("first", 1), ("last", "a"), ("some", [1, 2, "a"]), ("all", [1, 2, "a"])],
    )
    def test_counts_what_the_flow_began_with(self, collect: str, given: Any) -> None:
        found = run(*offers(GIVES_A), choose(collect=collect), offer=[1, 2])

        assert found.inputs == {"offer": given}

    @pytest.mark.parametrize(
        ("collect", "other", "given"),
        [
            ("first", FAILS, "a"),
            ("last", FAILS, "a"),
            ("some", FAILS, ["a"]),
            ("some", GIVES_NOTHING, ["a"]),
        ],
    )
    def test_does_with_one_when_the_other_gave_none(
        self, collect: str, other: str, given: Any
    ) -> None:
        found = run(*offers(GIVES_A, other), choose(collect=collect))

        assert found.inputs == {"offer": given}

    @pytest.mark.parametrize(
        ("collect", "other"),
        [("all", FAILS), ("all", GIVES_NOTHING), ("none", GIVES_NOTHING), ("none", FAILS)],
    )
    def test_that_cannot_be_any_more_fails_the_step(self, collect: str, other: str) -> None:
        assert run(*offers(GIVES_A, other), choose(collect=collect)).error == LOST

    def test_of_none_goes_on_when_nobody_gave_any(self) -> None:
        assert run(*offers(GIVES_NOTHING), choose(collect="none")).inputs == {}

    def test_of_all_can_be_done_one_by_one(self) -> None:
        each = requires(collect="all", for_each=True)
        double = script("double", "{:twice (* offer 2)}", offer=each, twice=OUTPUT)

        assert run(*offers("{:offer 1}", "{:offer 2}"), double).outputs == {
            "twice": [{"offer": 1, "twice": 2}, {"offer": 2, "twice": 4}]
        }


class TestGates:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("ale", '(eq value "go")'),
            ("lua", 'return value == "go"'),
            ("cel", 'value == "go"'),
        ],
    )
    def test_let_the_first_value_in_that_matches(self, language: str, text: str) -> None:
        found = run(choose(match=condition(language, text)), offer=["stop", "go"])

        assert found.inputs == {"offer": "go"}

    @pytest.mark.parametrize(
        ("collect", "values", "given"),
        [
            ("some", ["go", "stop", "go"], ["go", "go"]),
            ("all", ["go", "go"], ["go", "go"]),
            ("last", ["go", "stop"], "go"),
        ],
    )
    def test_choose_among_what_is_collected(
        self, collect: str, values: list[str], given: Any
    ) -> None:
        gated = choose(collect=collect, match=condition("ale", '(eq value "go")'))

        assert run(gated, offer=values).inputs == {"offer": given}

    @pytest.mark.parametrize(("collect", "values"), [("first", ["stop"]), ("all", ["go", "stop"])])
    def test_that_nothing_passes_skip_the_step_and_name_themselves(
        self, collect: str, values: list[str]
    ) -> None:
        gated = choose(collect=collect, match=condition("ale", '(eq value "go")'))

        skipped = run(gated, offer=values)

        assert skipped.status == "skipped"
        assert skipped.error == "required match did not match"
        assert list(skipped.unsatisfied) == ["offer"]


class TestPredicates:
    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("ale", "(> n {})"),
            ("lua", "return n > {}"),
            ("jpath", "$[?@ > {}]"),
            ("cel", "n > {}.0"),
        ],
    )
    @pytest.mark.parametrize(("least", "status"), [(3, "completed"), (30, "skipped")])
    def test_decide_in_every_language(
        self, language: str, text: str, least: int, status: str
    ) -> None:
        predicate = condition(language, text.format(least))
        ship = script("ship", "{:shipped n}", predicate, n=requires(), shipped=OUTPUT)

        assert run(ship, n=[5]).status == status

    @pytest.mark.parametrize(
        ("language", "text", "error"),
        [
            (
                "ale",
                "(> n 3)",
                "interface conversion: data.String is not data.Number: missing method Add",
            ),
            (
                "lua",
                "return n > 3",
                (
                    'lua execution error\nruntime error: [string "local n = select(1, ...)"]:2: '
                    "attempt to compare number with string"
                ),
            ),
        ],
    )
    def test_that_break_fail_the_step_with_the_reason(
        self, language: str, text: str, error: str
    ) -> None:
        ship = script("ship", "1", condition(language, text), n=requires())

        failed = run(ship, n=["five"])

        assert failed.error == f"predicate evaluation failed\n{error}"


class TestMappings:
    @pytest.mark.parametrize(
        ("language", "inwards", "outwards"),
        [
            ("jpath", "$.a", "$.r"),
            ("ale", "(:a v)", "{:value r}"),
            ("lua", "return v.a", "return {value = r}"),
            ("cel", "v.a", "r"),
        ],
    )
    def test_turn_what_comes_in_and_what_goes_out(
        self, language: str, inwards: str, outwards: str
    ) -> None:
        into = {"name": "v", "script": condition(language, inwards)}
        out = {"name": "r", "script": condition(language, outwards)}
        mapping = script(
            "map",
            "{:r (+ v 1) :more 0}",
            given=requires(mapping=into),
            result={**OUTPUT, "output": {"mapping": out}},
        )

        done = run(mapping, given=[{"a": 5}])

        assert done.inputs == {"v": 5}
        assert done.outputs == {"result": 6}

    @pytest.mark.parametrize(
        ("language", "inwards", "outwards"),
        [
            ("ale", "[v (eq other null) (eq table null)]", "{:value [r v other]}"),
            ("lua", "return {v, other == nil, table == nil}", "return {r, v == nil, other == nil}"),
        ],
    )
    def test_may_name_the_other_inputs_and_see_none(
        self, language: str, inwards: str, outwards: str
    ) -> None:
        into = {"name": "v", "script": condition(language, inwards)}
        out = {"name": "r", "script": condition(language, outwards)}
        mapping = script(
            "map",
            "{:r 1}",
            given=requires(mapping=into),
            other={"role": "const", "const": {"value": "7"}},
            table={"role": "optional", "optional": {"default": "8"}},
            result={**OUTPUT, "output": {"mapping": out}},
        )

        done = run(mapping, given=[5])

        assert done.inputs == {"v": [5, True, True], "other": 7, "table": 8}
        assert done.outputs == {"result": [1, *([None] * 2 if language == "ale" else [True] * 2)]}

    def test_that_find_nothing_keep_the_input_and_leave_the_output_out(self) -> None:
        nothing = {"script": condition("jpath", "$.nowhere")}
        mapping = script(
            "map",
            "{:result 1}",
            given=requires(mapping=nothing),
            result={**OUTPUT, "output": {"mapping": nothing}},
        )

        done = run(mapping, given=[{"a": 5}])

        assert done.inputs == {"given": {"a": 5}}
        assert done.outputs == {}


class TestItems:
    """Of a step that runs for each item of a list."""

    LIST = requires(for_each=True, mapping={"name": "n"})

    def doubled(self, **mapping: Any) -> Definition:
        twice = {"role": "output", "output": {"mapping": mapping}}
        return script("double", "{:made (* n 2) :unasked 1}", list=self.LIST, twice=twice)

    def test_are_told_by_the_flow_s_name_of_the_list_and_the_step_s_name_of_its_result(
        self,
    ) -> None:
        found = run(self.doubled(name="made"), list=[[1, 2]])

        assert found.outputs == {"twice": [{"list": 1, "made": 2}, {"list": 2, "made": 4}]}

    def test_that_are_one_give_what_the_step_gave(self) -> None:
        assert run(self.doubled(name="made"), list=[[5]]).outputs == {"twice": 10}

    def test_are_what_a_script_for_the_output_sees(self) -> None:
        found = run(self.doubled(script=condition("jpath", "$.twice[*].twice")), list=[[1, 2]])
        by_name = {"name": "made", "script": condition("jpath", "$.made[*].made")}

        assert found.outputs == {}
        assert run(self.doubled(**by_name), list=[[1, 2]]).outputs == {"twice": [2, 4]}

    def test_of_several_lists_are_all_combinations_the_last_name_changing_fastest(self) -> None:
        each = requires(for_each=True)
        step = script("pair", "{:pair (str b a)}", b=each, a=each, pair=OUTPUT)

        pairs = (run(step, a=[["x", "y"]], b=[[1, 2]]).outputs or {})["pair"]

        assert [(one["a"], one["b"]) for one in pairs] == [("x", 1), ("x", 2), ("y", 1), ("y", 2)]

    def test_are_one_with_the_whole_of_what_is_no_list(self) -> None:
        each = requires(for_each=True)
        step = script("pair", "{:pair [a b]}", a=each, b=each, pair=OUTPUT)

        assert run(step, a=["no list"], b=[[1]]).outputs == {"pair": ["no list", 1]}

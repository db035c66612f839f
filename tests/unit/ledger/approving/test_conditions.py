"""Names in conditions: those that nobody knows are refused, and never passed over."""

import time
from typing import Any

import pytest

from events.domain.principal import PrincipalKind
from ledger.approving import conditions
from ledger.domain.capability import Risk
from ledger.domain.policy import (
    FACTS,
    Circumstances,
    ConditionInvalid,
    ConditionNameUnknown,
    ConditionUnanswered,
    Policy,
    demanded,
)


def known(**facts: object) -> Circumstances:
    return Circumstances(
        action="thing.do",
        capability="thing.do",
        risk=Risk.HIGH,
        principal_kind=PrincipalKind.USER,
        facts=facts,
    )


def test_facts_are_what_conditions_are_given() -> None:
    assert sorted(known().variables()) == sorted(FACTS)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "amount_cents > 100 && !reversible",
        "risk in ['high', 'critical']",
        "has(facts.seats) && size(facts.seats) > 2",
        "target_state.lines.exists(line, line.cents > amount_cents)",
        "facts.lines.filter(each, each.open).map(each, each.name).all(name, name == currency)",
        "type(amount_cents) == int && currency.startsWith('E')",
        "{'EUR': 100, 'JPY': 10000}[currency] < amount_cents",
    ],
)
def test_takes_what_is_known(source: str) -> None:
    conditions.check(source)


@pytest.mark.parametrize(
    ("source", "name", "nearest", "place"),
    [
        ("amuont_cents > 1", "amuont_cents", "amount_cents", (1, 1)),
        ("risk == 'low' ||\n  ai_initated", "ai_initated", "ai_initiated", (2, 3)),
        ("facts.lines.all(line, line > lin)", "lin", "int", (1, 30)),
        ("facts.lines.all(line, true) && line", "line", "", (1, 32)),
        ("siez(facts.lines) > 1", "siez", "size", (1, 1)),
        ("currency.beginsWith('E')", "beginsWith", "endsWith", (1, 10)),
        ("all", "all", "", (1, 1)),
    ],
)
def test_names_what_is_not_known_and_what_is_near(
    source: str, name: str, nearest: str, place: tuple[int, int]
) -> None:
    with pytest.raises(ConditionNameUnknown) as refused:
        conditions.check(source, pointer="/escalate_when")

    facts = refused.value.facts
    assert (facts["name"], facts["line"], facts["column"]) == (name, *place)
    assert facts["nearest"] == nearest or nearest == ""
    assert refused.value.pointer == "/escalate_when"
    assert facts["known"] == list(FACTS)
    assert "amount_cents" in refused.value.hint


def test_an_unknown_name_is_no_answer_even_where_the_rest_decides() -> None:
    with pytest.raises(ConditionUnanswered, match="amuont_cents"):
        conditions.answer("ai_initiated && amuont_cents > 1", known().variables())


def test_a_rule_with_an_unknown_name_demands_leave_and_says_why() -> None:
    rule = Policy(name="old", version=1, capabilities=("*",), condition="ai_initated && false")

    demand = demanded([rule], known(), answer=conditions.answer)

    assert demand is not None
    assert "did you mean ai_initiated" in demand.unanswered


def test_an_escalation_with_an_unknown_name_takes_the_larger_number_and_says_why() -> None:
    rule = Policy(
        name="old",
        version=1,
        capabilities=("*",),
        escalate_when="false && amuont_cents > 1",
        escalated_quorum=3,
    )

    demand = demanded([rule], known(), answer=conditions.answer)

    assert demand is not None
    assert demand.quorum == 3
    assert "amuont_cents" in demand.unanswered


def test_a_rule_that_has_an_answer_says_nothing_of_it() -> None:
    rule = Policy(name="new", version=1, capabilities=("*",), condition="risk == 'high'")

    demand = demanded([rule], known(), answer=conditions.answer)

    assert demand is not None
    assert demand.unanswered == ""


def test_a_condition_that_fails_for_every_item_of_a_list_has_no_answer_and_says_why() -> None:
    # The library's evaluator doubled its error with each: forty items took all memory there is.
    lines = [{"cents": number} for number in range(60)]

    with pytest.raises(ConditionUnanswered, match=r"no such member in mapping: 'vip'$"):
        conditions.answer("facts.lines.exists(each, each.vip)", known(lines=lines).variables())


def test_a_condition_that_takes_too_long_has_no_answer() -> None:
    every = "facts.lines.all(a, facts.lines.all(b, facts.lines.all(c, a + b + c >= 0)))"

    with pytest.raises(ConditionUnanswered, match=r"more than 500 ms of processor time$"):
        conditions.answer(every, known(lines=list(range(1_000))).variables())


def test_a_condition_is_not_charged_for_being_the_first_of_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = conditions._compiled

    def load_and_compile(source: str, pointer: str) -> Any:
        ready_at = time.thread_time() + 0.1
        while time.thread_time() < ready_at:
            pass
        return compiled(source, pointer)

    monkeypatch.setattr(conditions, "SECONDS_MAX", 0.05)
    monkeypatch.setattr(conditions, "_compiled", load_and_compile)

    every = "facts.lines.all(each, each > 0)"
    assert conditions.answer(every, known(lines=[1, 2]).variables())


def test_an_index_beyond_all_integers_has_no_answer() -> None:
    with pytest.raises(ConditionUnanswered, match=r"overflow"):
        conditions.answer("facts.lines[1e308] == 1", known(lines=[1]).variables())


def test_a_whole_amount_is_compared_with_a_fraction() -> None:
    lines = [{"cents": 1}, {"cents": 3}]

    assert conditions.answer(
        "facts.lines.exists(each, each.cents > 2.5)", known(lines=lines).variables()
    )


def test_a_macro_without_its_parts_is_no_condition() -> None:
    with pytest.raises(ConditionInvalid):
        conditions.check("facts.lines.all(each)")


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("[", "]"), ("!", "")])
def test_what_is_nested_too_deep_is_no_condition(opening: str, closing: str) -> None:
    with pytest.raises(ConditionInvalid):
        conditions.check(f"{opening * 1_000}true{closing * 1_000}")


def test_an_integer_of_more_than_64_bits_answers_nothing() -> None:
    with pytest.raises(ConditionUnanswered, match="more than 64 bits"):
        conditions.answer("facts.sum > 1", known(sum=10**30).variables())

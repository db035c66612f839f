"""Plans are made once, as long as that cannot be told from making them each time."""

from typing import Any

import pytest

from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.errors import GoalsUnknown
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import plans

OUTPUT = {"role": "output"}
REQUIRED = {"role": "required"}


def catalog(match: dict[str, Any] | None = None) -> Catalog:
    """Return one with a step that gives a seat, and one that needs it and perhaps a card."""
    seat: dict[str, Any] = {"role": "required", "required": {"match": match} if match else {}}
    return catalog_of(
        ("hold", {"seat": OUTPUT}),
        ("print", {"seat": seat, "ticket": OUTPUT}),
    )


def catalog_of(*definitions: tuple[str, dict[str, Any]]) -> Catalog:
    steps = [
        step_from_json(
            {
                "id": id_,
                "name": id_,
                "type": "sync",
                "http": {"endpoint": "http://peer"},
                "attributes": attributes,
            }
        )
        for id_, attributes in definitions
    ]
    return Catalog(steps={step.id: step for step in steps})


def test_the_same_goals_of_the_same_catalog_are_planned_once() -> None:
    steps = catalog()

    first = plans.make(steps, ["print"], {})

    assert plans.make(steps, ["print"], {}) is first
    assert set(first.steps) == {"hold", "print"}


def test_what_is_supplied_counts_and_not_how() -> None:
    steps = catalog()
    plans.make(steps, ["print"], {})

    supplied = plans.make(steps, ["print"], {"seat": ["12A"]})

    assert set(supplied.steps) == {"print"}
    assert plans.make(steps, ["print"], {"seat": ["12B"]}) is supplied
    assert set(plans.make(steps, ["print"], {"seat": []}).steps) == {"hold", "print"}


def test_another_state_of_the_catalog_is_planned_anew() -> None:
    before, after = catalog(), Catalog(steps={"print": catalog().steps["print"]})
    plans.make(before, ["print"], {})

    assert set(plans.make(after, ["print"], {}).steps) == {"print"}
    with pytest.raises(GoalsUnknown):
        plans.make(after, ["hold"], {})


def test_a_plan_in_which_a_script_has_a_word_is_made_each_time() -> None:
    steps = catalog({"language": "cel", "script": "value == '12A'"})

    matched = plans.make(steps, ["print"], {"seat": ["12A"]})
    other = plans.make(steps, ["print"], {"seat": ["12B"]})

    assert (set(matched.steps), set(other.steps)) == ({"print"}, {"hold", "print"})


def test_those_that_are_kept_are_not_ever_more() -> None:
    steps = catalog()

    for number in range(plans.KEPT_MAX + 1):
        plans.make(steps, ["print"], {f"x{number}": [1]})

    assert len(plans._made) <= plans.KEPT_MAX


class TestAhead:
    STEPS = catalog_of(
        ("ask", {"place": REQUIRED, "speed": OUTPUT}),
        ("look", {"speed": {"role": "optional"}, "seen": OUTPUT}),
        ("fly", {"speed": REQUIRED, "seen": REQUIRED, "flown": OUTPUT}),
    )

    def test_nobody_waits_for_who_gives_what_is_optional(self) -> None:
        plan, missing = plans.ahead(self.STEPS, ["look"], {})

        assert (set(plan.steps), missing) == ({"look"}, [])

    def test_what_is_missing_is_what_the_first_of_a_chain_lacks(self) -> None:
        plan, missing = plans.ahead(self.STEPS, ["fly"], {})

        assert (set(plan.steps), missing) == ({"ask", "look", "fly"}, ["place"])

    def test_it_is_the_plan_of_the_start_as_soon_as_there_can_be_one(self) -> None:
        plan, missing = plans.ahead(self.STEPS, ["fly"], {"speed": [9]})

        assert (plan, missing) == (plans.make(self.STEPS, ["fly"], {"speed": [9]}), [])

    def test_something_is_missing_where_who_gives_it_is_blocked(self) -> None:
        nothing = {"role": "required", "required": {"collect": "none"}}
        steps = catalog_of(
            ("ask", {"storm": nothing, "speed": OUTPUT}), ("fly", {"speed": REQUIRED})
        )

        assert plans.ahead(steps, ["fly"], {"storm": [1]})[1] == ["speed"]

"""CEL: what it gives as JSON, how it reckons, and what it says when it cannot."""

from typing import Any

import pytest

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import LANGUAGES, compile_script

GIVEN = {"order": {"total": 3, "price": 2.5, "lines": [1, 2]}}


def cel(text: str) -> Any:
    return LANGUAGES.execute(Script(language="cel", text=text), GIVEN)["result"]


class TestCel:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1.5", 1.5),
            ("order.lines.map(i, i * 2)", [2, 4]),
            ("[2.5, null, true, 'x']", [2.5, None, True, "x"]),
            ("{1: 'a', 2: 'b'}", {"1": "a", "2": "b"}),
            ("b'ab'", "YWI="),
            ("duration('1h')", "3600s"),
            ("timestamp('2026-01-02T03:04:05Z')", "2026-01-02T03:04:05Z"),
            ("9223372036854775807", 2.0**63),
            ("type(1) == int", True),
        ],
    )
    def test_gives_every_value_of_its_own_as_json(self, text: str, value: Any) -> None:
        found = LANGUAGES.execute(Script(language="cel", text=text), GIVEN)

        assert found == (value if isinstance(value, dict) else {"result": value})

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("order.lines[0] + order.lines[1]", 3),
            ("order.lines == [1, 2]", True),
            ("order.lines + [3]", [1, 2, 3]),
            ("order == {'total': 3, 'price': 2.5, 'lines': [1, 2]}", True),
            ("type(order) == map && type(order.lines) == list", True),
            ("'total' in order && 2 in order.lines && !(7 in order.lines)", True),
            ("size(order.lines) + 'é'.size()", 3),
            ("has(order.total) && !has(order.sum) && !has(nobody.name)", True),
            ("order.lines.filter(i, i > 1).map(i, i * 10)", [20]),
            ("order.lines.map(i, i > 1, i * 10)", [20]),
            ("order.lines.map(i, order.lines.map(j, i * j))", [[1, 2], [2, 4]]),
            ("order.lines.exists(order, order == 2) && .order.total == 3", True),
            ("order.lines.exists_one(i, i == 1)", True),
            ("order.lines.reduce(sum, i, 0, sum + i)", 3),
            ("order.lines.min()", 1),
            ("order.map(key, key)", ["total", "price", "lines"]),
            ("nobody && false || true", True),
            ("order.lines.exists(i, nobody || i == 2)", True),
            ("order.total > 2 ? 'many' : nobody", "many"),
            ("'abc'.matches('^a.c$') && 'abc'.contains('b')", True),
            ("timestamp('2026-01-02T03:04:05Z') + duration('1h')", "2026-01-02T04:04:05Z"),
        ],
    )
    def test_reads_what_it_is_given(self, text: str, value: Any) -> None:
        assert cel(text) == value

    def test_has_an_answer_about_thousands_of_items(self) -> None:
        orders = [{"number": number, "lines": [1, 2]} for number in range(5_000)]
        script = Script(language="cel", text="orders.exists(o, o.number > 4998 && o.lines[0] == 1)")

        assert LANGUAGES.holds(script, {"orders": orders})

    def test_gives_an_object_as_the_outputs(self) -> None:
        script = Script(language="cel", text="{'sum': order.total, 'of': order}")

        assert LANGUAGES.execute(script, GIVEN) == {"sum": 3, "of": GIVEN["order"]}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("order.total > 2.5", True),
            ("order.total == 3.0", True),
            ("order.price * 2", 5),
            ("order.price / 2", 1.25),
            ("order.total / 2", 1),
        ],
    )
    def test_takes_a_whole_number_beside_a_fraction_for_a_fraction(
        self, text: str, value: Any
    ) -> None:
        assert cel(text) == value

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("order.nothing", "no such member in mapping: 'nothing'"),
            ("nobody", "undeclared reference to 'nobody'"),
            ("1 / 0", "modulus or divide by zero"),
            ("order.lines[2]", "invalid_argument"),
            ("order['nothing']", "no such key"),
            ("order.total.size()", "found no matching overload for 'size' applied to '(int)'"),
            (
                "order.total == 'x'",
                "found no matching overload for '_==_' applied to '(int, string)'",
            ),
            ("1 + true", "found no matching overload for '_+_' applied to '(int, bool)'"),
            ("order.total ? 1 : 2", "found no matching overload for '_?_:_' applied to '(int)'"),
            ("order.lines.all(i, i.x > 0)", "int has no members: 'x'"),
            ("order.total.map(i, i)", "int has no items"),
            ("vanish(1)", "undeclared reference to 'vanish'"),
            ("'a'.matches('(')", "match error"),
            ("{'a': 1, 'a': 2}", "duplicate key"),
            ("9223372036854775807 + 1", "return error for overflow"),
            ("'\\u0000'", "result has text with a NUL or a lone surrogate"),
        ],
    )
    def test_says_in_one_line_what_is_wrong(self, text: str, reason: str) -> None:
        with pytest.raises(ScriptFailed) as failed:
            cel(text)

        assert str(failed.value) == f"cel execution error\n{reason}"

    @pytest.mark.parametrize(
        ("text", "kind"),
        [("order.total", "number"), ("'yes'", "string"), ("null", "null"), ("order", "object")],
    )
    def test_as_a_condition_says_yes_or_no(self, text: str, kind: str) -> None:
        with pytest.raises(ScriptFailed) as failed:
            LANGUAGES.holds(Script(language="cel", text=text), GIVEN)

        assert str(failed.value) == (
            f"cel execution error\na condition is a bool, and this gave {kind}"
        )

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("order.lines.map(1, 2)", "a macro names its variable first"),
            ("order.lines.all(i)", "a macro takes 2 arguments"),
            ("has(order, order)", "has() takes one argument"),
            ("order{}", "there are no message types"),
        ],
    )
    def test_is_refused_where_it_is_no_program(self, text: str, reason: str) -> None:
        with pytest.raises(ScriptBroken) as broken:
            compile_script(Script(language="cel", text=text), ("order",))

        assert str(broken.value) == f"cel compile error: {reason}"

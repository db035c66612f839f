"""CEL: what it gives as JSON, how it reckons, and what it says when it cannot."""

from typing import Any

import pytest

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script
from workflows.flows.languages import LANGUAGES

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
            ("'\\u0000'", "result has text with a NUL or a lone surrogate"),
        ],
    )
    def test_says_in_one_line_what_is_wrong(self, text: str, reason: str) -> None:
        with pytest.raises(ScriptFailed) as failed:
            cel(text)

        assert str(failed.value) == f"cel execution error\n{reason}"

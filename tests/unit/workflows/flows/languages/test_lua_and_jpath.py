"""Lua in its child, and paths: what they give, and what they cannot do."""

from typing import Any

import pytest

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import LANGUAGES, compile_script, jpath


def lua(text: str, **inputs: Any) -> Any:
    return LANGUAGES.execute(Script(language="lua", text=text), inputs)


class TestLua:
    @pytest.mark.parametrize(
        ("text", "outputs"),
        [
            ("return {total = n * 2, ok = n > 1}", {"total": 6, "ok": True}),
            ("return n + 0.5", {"result": 3.5}),
            ("return {}", {}),
            ("return {[true] = 1}", {"true": 1}),
            ("return {1, 2, 3}", {"result": [1, 2, 3]}),
            ("return {o = {1, nil, 3}}", {"o": [1, None]}),
            ("return {f = function() end, o = {nil}}", {"f": None, "o": {}}),
            ("return 2^53", {"result": 2.0**53}),
            ("return '007'", {"result": "007"}),
            ("return os", {"result": None}),
            ("return io", {"result": None}),
        ],
    )
    def test_gives_outputs_and_has_no_world(self, text: str, outputs: Any) -> None:
        assert lua(text, n=3) == outputs

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("return n .. 'é'", "ü€é"),
            ("return #n", 5),
            ("return n:byte(1)", 195),
            ("return n:sub(1, 1)", "\ufffd"),
            ("return '\\255'", "\ufffd"),
        ],
    )
    def test_counts_texts_in_bytes_and_gives_them_as_texts(self, text: str, value: Any) -> None:
        assert lua(text, n="ü€") == {"result": value}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("return string.find('a.b', '.')", 2),
            ("return string.rep('ab', 2, ',')", "ab,ab"),
            ("return ('%d-%s-%.2f'):format(1, 'x', 2.5)", "1-x-2.50"),
            ("return table.concat({1, 2}, '-')", "1-2"),
            ("local t = {3, 1, 2} table.sort(t) return {t = t}", None),
            ("return bit32.band(6, 3)", 2),
            ("goto a; do return 0 end ::a:: return 1", 1),
            ("return math.log10(100) + math.floor(2.7) + math.pow(2, 3)", 12),
            ("return select('#', 1, 2) + #table.pack(1, 2)", 4),
            ("return tonumber('0x10') + tonumber('z', 36)", 51),
            ("return tostring(nil) .. tostring(5.0) .. tostring(1.5)", "nil51.5"),
            ("return rawget({a = 1}, 'a') + rawlen({1})", 2),
            ("return 7 % -3", -2),
            ("return 1e15", 10**15),
            ("return math.huge", 1.7976931348623157e308),
            ("return string.gmatch or utf8 or coroutine or load or print or dofile", None),
        ],
    )
    def test_knows_the_functions_of_the_original(self, text: str, value: Any) -> None:
        expected = {"t": [1, 2, 3]} if "{t = t}" in text else {"result": value}

        assert lua(text) == expected

    @pytest.mark.parametrize("text", ["return 7 // 2", "return 5 & 3", "local a <const> = 1"])
    def test_knows_no_later_language(self, text: str) -> None:
        with pytest.raises(ScriptBroken, match=r"^syntax error$"):
            compile_script(Script(language="lua", text=text), ())

    def test_remembers_nothing_of_the_script_before(self) -> None:
        lua("leak = 5 return 1")

        assert lua("return leak") == {"result": None}

    def test_that_runs_without_end_is_stopped_and_harms_nobody(self) -> None:
        with pytest.raises(ScriptFailed, match="lua execution error"):
            lua("while true do end")

        assert lua("return 1") == {"result": 1}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('error("bad")', "bad"),
            ("error(5)", "5"),
            ("error({})", "bad argument #-1 to '?' (string expected, got table)"),
            ("error()", "bad argument #-1 to '?' (string expected, got nil)"),
            ("return nothing.there", "attempt to index global 'nothing' (a nil value)"),
            ("return nothing()", "attempt to call a nil value"),
            ("return 1 + nil", "attempt to perform arithmetic on a nil value"),
            ("return 1 < 'a'", "attempt to compare number with string"),
            ("return #5", "attempt to get length of a number value"),
            ("return {} .. 'x'", "attempt to concatenate a table value"),
            ("assert(false)", "assertion failed!"),
            ("assert(nil, 'é')", "é"),
        ],
    )
    def test_names_line_and_message_of_an_error(self, text: str, message: str) -> None:
        with pytest.raises(ScriptFailed) as failed:
            lua(text)

        assert str(failed.value) == (
            f'lua execution error\nruntime error: [string ""]:2: {message}'
        )

    def test_takes_zero_and_the_empty_text_for_true(self) -> None:
        holds = [
            LANGUAGES.holds(Script(language="lua", text=f"return {value}"), {})
            for value in ("0", '""', "{}", "nil", "false")
        ]

        assert holds == [True, True, True, False, False]


class TestJpath:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("$.a", 1),
            ("$.l[*]", [1, 2, 3]),
            ("$.l[-1]", 3),
            ("$..k", "v"),
            ("$['a','b']", [1, "x"]),
            ("count($.l[*]) > 5", None),
            ("$.o[?match(@, 'v.*')]", "v"),
            ("$.r[?match(@, 'a.b')]", ["a.b", "axb"]),
            ("$.r[?match(@, 'a[.]b')]", "a.b"),
            ("$.r[?match(@, 'a\\\\.b')]", "a.b"),
        ],
    )
    def test_gives_one_match_or_the_list_of_several(self, path: str, value: Any) -> None:
        document = {"a": 1, "b": "x", "l": [1, 2, 3], "o": {"k": "v"}}
        document["r"] = ["a.b", "axb", "a\nb", "a\rb"]
        if value is None:
            with pytest.raises(ScriptFailed, match="jpath produced no matches"):
                jpath.value(path, document)
        else:
            assert jpath.value(path, document) == value

    def test_matches_a_null_that_is_there(self) -> None:
        assert LANGUAGES.matches(Script(language="jpath", text="$.k"), {"k": None})
        assert not LANGUAGES.matches(Script(language="jpath", text="$.z"), {"k": None})

    @pytest.mark.parametrize("path", ["", " $.a", "$["])
    def test_that_is_no_path_is_refused(self, path: str) -> None:
        with pytest.raises(ScriptBroken) as broken:
            compile_script(Script(language="jpath", text=path), ())

        assert str(broken.value) == f"jpath compile error: {path}"

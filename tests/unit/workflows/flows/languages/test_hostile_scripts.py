"""Scripts that nobody should write: each ends soon, and with a refusal or a value to store."""

import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import LANGUAGES, Within, compile_script

SECONDS_MAX = 60.0
QUICK = Within(script_s=0.1, condition_s=0.1)
DOUBLED = "(let* ([x [1 1]] " + "[x [x x]] " * 45 + ") {})"


SHARED = "(reduce (lambda (a i) [a a]) [1] (range 40))"
RATIOS = f"(map (lambda (x) (/ 1 (* {'x ' * 40}))) (range 1000001 1000999))"
TEXT = 'let [s (reduce (lambda (a i) (str a a)) "s" (range 19))]'
TOO_MUCH = "made more than 32 Mi"


def words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split())


PIECES = {
    "ale": words(
        '( ) [ ] { } \' ` , ,@ #{ a x 1 -1 1e300 1/0 "s" :k let* lambda map range str reduce eq '
        "define read generate emit import gensym try raise (range) (a) (lambda (x) (x x)) delay "
        "force lazy-seq eval recover declare cons is-a #b["
    ),
    "lua": words(
        "return x a = ( ) { } , 1 -1 1e308 0/0 'a' '\\0' while true do end for i=1,1e9 function "
        "error pcall string.rep('a',1e9) setmetatable .. # nil local"
    ),
    "cel": words("a x 1 -1 + * / % ( ) [ ] { } . , ? : && || ! 's' size in map"),
    "jpath": words("$ @ . .. * [ ] ( ) ? 'a' a 0 -1 : , == && || ! 9e9 count"),
}
ORDER = {"a": {"b": [1, None, "s"]}, "x": 3, "l": list(range(1000)), "d": [[[[0] * 9] * 9] * 9] * 9}


def outcome(language: str, text: str, languages: Within) -> str:
    """Compile and run a script; say whether it gave something that can be stored."""
    script = Script(language=language, text=text)
    began = time.monotonic()
    try:
        compile_script(script, tuple(ORDER))
        if language == "jpath":
            languages.matches(script, ORDER)
        else:
            orjson.dumps(languages.execute(script, ORDER))
    except (ScriptBroken, ScriptFailed) as refusal:
        return str(refusal)
    finally:
        assert time.monotonic() - began < SECONDS_MAX
    return "stored"


# celpy raises the limit for itself, each time.
@pytest.mark.filterwarnings("ignore:The recursion limit will not be reset")
@pytest.mark.parametrize("language", PIECES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_heap_of_words_is_refused_or_gives_what_can_be_stored(
    language: str, data: st.DataObject
) -> None:
    pieces = data.draw(st.lists(PIECES[language], max_size=12))

    assert outcome(language, " ".join(pieces), QUICK)


HOSTILE = [
    ("ale", "(" * 5_000 + ")" * 5_000, "nested too deep"),
    ("ale", DOUBLED.format("x"), "sequence too long"),
    ("ale", DOUBLED.format("(str x)"), "sequence too long"),
    ("ale", DOUBLED.format("(eq x x)"), "sequence too long"),
    ("ale", "(reduce (lambda (a x) [a]) [] (range 0 5000))", "value nested too deep"),
    ("ale", "(- (* 1e300 1e300) (* 1e300 1e300))", "result is not a number"),
    ("ale", "(import os)", "namespace not found: os"),
    ("ale", "(current-time)", "name not declared in namespace: current-time"),
    ("cel", "[" * 1_900 + "]" * 1_900, "cel compile error: nested too deep"),
    ("lua", "return '\\0'", "result has text with a NUL"),
    ("lua", "while true do end", "the script took more than 100 ms"),
    ("lua", "pcall(function() while true do end end)", "the script took more than 100 ms"),
    ("lua", "return string.rep('x', 1e9)", "out of memory: more than 64 MiB"),
    ("lua", "return {t = string.rep('x', 2e6)}", "result too large"),
    ("lua", "local t = {} t.t = t return t", "result nested too deep"),
    ("lua", "return 0/0", "result is not a number"),
    ("ale", "#| " * 21_000, "comment has no closing marker"),
    ("ale", "(define (f n) (if (= n 0) 0 (+ (f (dec n)) (f (dec n))))) (f 40)", "took more than"),
    (
        "ale",
        (
            "(let [r (seq->vector (range 9999))]"
            " (length (map (partial reduce +) (map (constantly r) r))))"
        ),
        "took more than 100 ms of processor time",
    ),
    (
        "ale",
        (
            '(let [s (reduce (lambda (a b) (str a a)) "x" (range 19))]'
            " (length (map (partial str s) (range))))"
        ),
        "made more than 32 Mi",
    ),
    ("ale", "(force! ((lambda-rec f () (delay (f)))))", "took more than 100 ms"),
    ("ale", "(length ((lambda-rec f () (lazy-seq (cons 1 (f))))))", "took more than 100 ms"),
    ("ale", "(let-rec [p (delay (force p))] (force p))", "and 80 calls at most"),
    ("ale", "(eval ((lambda-rec f (n) (if (= n 0) 1 (list 'eval (f (dec n))))) 70))", "too deep"),
    ("ale", "(recover (thunk ((lambda-rec f () (f)))) (lambda (e) (raise e)))", "nested too deep"),
    ("cel", "l.all(i, l.all(j, l.all(k, i >= 0)))", "took more than 100 ms of processor time"),
    ("cel", "x" + " + x" * 2_000, "script too long"),
    ("jpath", "$" + "..[*,*,*]" * 6 + ".nothing", "took more than 100 ms of processor time"),
    ("jpath", "$" + ".a" * 40_000, "jpath compile error"),
    ("jpath", "$" + ".a" * 400, "jpath compile error"),
    ("jpath", f"$[?{' && '.join(['@.a'] * 400)}]", "jpath compile error"),
    ("jpath", f"$[?@ == {'9' * 5_000}]", "jpath compile error"),
    ("jpath", f"$[{'9' * 5_000}]", "jpath compile error"),
    ("jpath", "$[?@ == 1e999999]", "jpath compile error"),
    ("ale", f"(sym {SHARED})", "sequence too long"),
    ("ale", f"(gensym {SHARED})", "sequence too long"),
    ("ale", f"(set {SHARED})", "sequence too long"),
    ("ale", f"(seq->set [{SHARED}])", "sequence too long"),
    ("ale", f"#{{{SHARED}}}", "sequence too long"),
    ("ale", f"{{{SHARED} 1}}", "sequence too long"),
    ("ale", f"`#{{,{SHARED}}}", "sequence too long"),
    ("ale", f"`{{,{SHARED} 1}}", "sequence too long"),
    ("ale", f"(object {SHARED} 1)", "sequence too long"),
    ("ale", f"(assoc {{}} [{SHARED} 1])", "sequence too long"),
    ("ale", "(reduce (lambda (a i) (* a a)) (/ 1 3) (range 40))", "number too large"),
    ("ale", "(reduce (lambda (a i) (/ a (/ 3 a))) (/ 1 3) (range 40))", "number too large"),
    ("ale", f"(apply + {RATIOS})", "number too large"),
    ("ale", f"(apply - {RATIOS})", "number too large"),
    ("ale", '(length (reduce (lambda (a i) (str! a a)) "a" (range 40)))', "string too long"),
    ("ale", "(length (partition 9999 1 (range 9999)))", TOO_MUCH),
    ("ale", "(length (apply zip (map (lambda (x) l) (range 9999))))", TOO_MUCH),
    ("ale", "(length (apply cartesian-product (map (lambda (x) [1 2]) (range 999))))", TOO_MUCH),
    (
        "ale",
        "(let [o (seq->object l)] (length (map (lambda (i) (assoc o [i i])) (range))))",
        TOO_MUCH,
    ),
    ("ale", f"({TEXT} (length (map (lambda (i) (rest s)) (range))))", TOO_MUCH),
    ("ale", f"({TEXT} (length (map (lambda (i) (reverse s)) (range))))", TOO_MUCH),
    ("ale", f"({TEXT} (length (map (lambda (i) (s 1)) (range))))", TOO_MUCH),
    ("ale", f"({TEXT} (str (seq->vector (map (lambda (i) s) (range 99)))))", TOO_MUCH),
    ("ale", f"({TEXT} (seq->vector (map (lambda (i) s) (range 99))))", TOO_MUCH),
    ("cel", f"[1]{'.map(a, [a, a])' * 40} == [1]{'.map(a, [a, a])' * 40}", "items to compare"),
    ("cel", f"[1]{'.map(a, [a, a])' * 40} in [[1]{'.map(a, [a, a])' * 40}]", "items to compare"),
    ("cel", f"string([1]{'.map(a, [a, a])' * 40})", "no matching overload for 'string'"),
    ("cel", "'%1000000000d' % 5", "no matching overload for '_%_'"),
    ("cel", "b'%1000000000d' % 5", "no matching overload for '_%_'"),
    ("cel", f"l.map(i, '{'s' * 3_900}').map(j, j + j + j)", TOO_MUCH),
    ("cel", f"l.map(i, l.map(j, ['{'s' * 3_900}']))", TOO_MUCH),
]


@pytest.mark.parametrize(("language", "text", "refusal"), HOSTILE)
def test_what_would_never_end_or_cannot_be_stored_is_refused(
    language: str, text: str, refusal: str
) -> None:
    is_about_time = "took more" in refusal

    assert refusal in outcome(language, text, QUICK if is_about_time else LANGUAGES)


DEEP: list[object] = []
for _ in range(2_000):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [10**400, DEEP], ids=["huge", "deep"])
@pytest.mark.parametrize(("language", "text"), [("ale", "1"), ("lua", "return 1")])
def test_what_a_language_cannot_hold_fails_the_script(
    language: str, text: str, value: object
) -> None:
    with pytest.raises(ScriptFailed):
        LANGUAGES.execute(Script(language=language, text=text), {"x": value})


@pytest.mark.parametrize("text", ["return '\ud800'", "return " + "{" * 30_000 + "}" * 30_000])
def test_what_lua_cannot_compile_is_broken(text: str) -> None:
    with pytest.raises(ScriptBroken):
        compile_script(Script(language="lua", text=text), ("x",))


def test_a_script_that_does_not_compile_with_the_names_it_is_given_fails() -> None:
    with pytest.raises(ScriptFailed, match="syntax error"):
        LANGUAGES.execute(Script(language="lua", text="return 1"), {"end": 1})


@pytest.mark.parametrize("pattern", ["[" * 100_000, "[" * 100_000 + "\\", "[a." * 100_000])
def test_a_pattern_is_read_once_from_its_beginning_to_its_end(pattern: str) -> None:
    script = Script(language="jpath", text="$[?match(@.text, @.pattern)]")
    began = time.thread_time()

    assert not LANGUAGES.matches(script, [{"text": "x", "pattern": pattern}])

    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    ("language", "text"),
    [("cel", "value.matches('PATTERN')"), ("jpath", "$[?search(@, 'PATTERN')]")],
)
def test_a_text_that_is_too_long_for_a_pattern_is_not_searched(language: str, text: str) -> None:
    script = Script(language=language, text=text.replace("PATTERN", "(a|b)*a(a|b){900}c"))
    value = "ab" * 100_000

    with pytest.raises(ScriptFailed, match="the text is too long for this pattern"):
        LANGUAGES.matches(script, [value] if language == "jpath" else value)

"""Ale, as far as scripts need it: pure, bounded, and in the words of the original."""

from typing import Any

import pytest

from workflows.flows.domain.gates import ScriptFailed
from workflows.flows.domain.step import Script
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.languages import LANGUAGES, compile_script

ORDER = {"total": 12.5, "lines": [{"sku": "a", "n": 2}, {"sku": "b", "n": 1}], "note": None}


def run(text: str, **inputs: Any) -> Any:
    return LANGUAGES.execute(Script(language="ale", text=text), inputs)


class TestPrograms:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("(* 6 7)", 42),
            ("(/ 7 2)", "7/2"),
            ("(/ 7.0 2)", 3.5),
            ("(eq 5 5.0)", False),
            ("(eq [1 2] '(1 2))", False),
            ("(eq '(1 [2]) (list 1 [2]))", True),
            ("(eq (map inc [1]) [2])", True),
            (
                "[(assoc* {} '(:a . 1) '(:b . 2)) (dissoc* {:a 1 :b 2} :a :b) (conj* [1] 2 3)]",
                [{"a": 1, "b": 2}, {}, [1, 2, 3]],
            ),
            ("[{:a 1 :a 2} (object :a 1 :a 2)]", [{"a": 1}, {"a": 1}]),
            ("(= 5 5.0)", True),
            ('(str "n" 1 :k)', "n1:k"),
            ("(let* ([x 2] [y (* x x)]) [x y])", [2, 4]),
            ("(cond [false 1] [:else 2])", 2),
            ("(if '() :yes :no)", "yes"),
            ("(->> [1 2 3] (filter odd?) (map inc))", [2, 4]),
            ("(some->> [1 2] (map inc))", [2, 3]),
            ("(cond-> 5 [true (+ 1)] [false (* 2)])", 6),
            ("(when-let [x 5] (+ x 1))", 6),
            ("((thunk 5))", 5),
            ("`(1 ,(+ 1 1) ,@[3 4])", [1, 2, 3, 4]),
            ("(zip [1 2] [3 4])", [[1, 3], [2, 4]]),
            ("(mapcat (lambda (x) [x x]) [1 2])", [1, 1, 2, 2]),
            ("(cartesian-product [1 2] [3])", [[1, 3], [2, 3]]),
            ("(take-while odd? [1 3 4 5])", [1, 3]),
            ("(fold-right - 0 [10 4])", 6),
            ("(cadr [1 2 3])", 2),
            ("(contains? {:a 1} :a)", True),
            ("(!even? 3)", True),
            ("(even? 2 4 5)", False),
            ("(zero? 0 0.0)", True),
            ("(empty? [] '())", True),
            ('(seq? "abc" [1])', True),
            ("(seq? :abc)", False),
            ("((comp) 3)", 3),
            ("((comp inc (partial * 2)) 3)", 7),
            ("(seq [])", False),
            ("(seq [1])", [1]),
            ("(unless false 1 2)", 1),
            ("(unless true 1 2)", 2),
            ("(when-not false 1 2)", 2),
            ('(case 2 [(1 2) "few"] [3 "three"])', "few"),
            ("(cond-> 5 [number? inc] [string? dec])", 6),
            ("(cond->> 5 [(< 3) (- 1)])", -4),
            ("(reduce + [])", 0),
            ("(reduce + 10 [1 2])", 13),
            ("(range -3)", [0, -1, -2]),
            ("(range 5 2)", [5, 4, 3]),
            ("(partition 2 [1 2 3])", [[1, 2], [3]]),
            ("(/ 1.0 0)", 1.7976931348623157e308),
            ("(mod 17 10 4)", 3),
            ('("hello" 1 3)', "el"),
            ("(5 [1 2])", None),
            ("([1 2 3] 1 2)", [2]),
            ('(rest "abc")', "bc"),
            ('(str {:b 1 :a "x\ty"})', '{:a "x\\ty" :b 1}'),
            (
                '(try (raise "x" 1) (catch [e number?] 0) (catch [e string?] (str "got " e)))',
                "got x1",
            ),
            ("(try (/ 1 0) (catch [e string?] e))", "divide by zero"),
            ("((lambda-rec f (n) (if (= n 0) 1 (* n (f (dec n))))) 5)", 120),
            ("((label f (lambda (n) (if (= n 0) 0 (+ n (f (dec n)))))) 4)", 10),
            ("(define-lambda g [(x) x] [(x y) (+ x y)]) [(g 1) (g 1 2)]", [1, 3]),
            ("((lambda (x . others) others) 1 2 3)", [2, 3]),
            ("((lambda all (length all)) 1 2)", 2),
            ("(define (f . all) (length all)) (f 1 2)", 2),
            ("(for-each ([x [1 2 3]]) (* x 2))", 6),
            ("(macroexpand-1 '(when a b))", ["ale/if", "a", "b", "ale/null"]),
            ("(macroexpand-1 '(-> a (f b) g))", ["ale/->", ["f", "a", "b"], "g"]),
            ("(macroexpand-1 '(f a))", ["f", "a"]),
            (
                "(macroexpand '(when-let [x 1] 2))",
                ["ale/let", ["x", 1], ["ale/if", "x", 2, "ale/null"]],
            ),
            ("#| one\ntwo |# 7", 7),
            ("9007199254740993", 2.0**53),
            ('(read "(1 [2 :k])")', [1, [2, "k"]]),
            ("(is-a :number 5)", True),
            (
                "[(is-a :string 5) (is-a :sequence []) (is-a :null '()) ((is-a* :list) '(1))]",
                [False, True, True, True],
            ),
            ("(assert-type :number 42)", 42),
            ("(eval '(+ 1 2))", 3),
            ("(eval (macroexpand '(when true (ale/inc 1))))", 2),
            ("(eval `(let [x ,(* 2 3)] [x {:k x} #{1}]))", [6, {"k": 6}, "#{1}"]),
            ('(eval (read "(str 1 2)"))', "12"),
            (
                "(let [p (delay (+ 1 2))] [(resolved? p) (force p) (p) (resolved? p)])",
                [False, 3, 3, True],
            ),
            (
                "[(promise? (delay 1)) (!promise? 1) (force 7) (force! (delay (delay 8)))]",
                [True, True, 7, 8],
            ),
            (
                "[(force (delay-force (delay 1))) (force (lazy (delay (delay 2)))) ((future 3))]",
                [1, 2, 3],
            ),
            ("(force (delay* (thunk 4)))", 4),
            ("(take 3 ((lambda-rec f (n) (lazy-seq (cons n (f (inc n))))) 1))", [1, 2, 3]),
            ("(length (take 500 ((lambda-rec f (n) (lazy-seq (cons n (f (inc n))))) 0)))", 500),
            ("(lazy-seq)", []),
            ("(lazy-seq* (thunk [1 2]))", [1, 2]),
            ("(first (rest (lazy-seq (cons 1 (lazy-seq [2 3])))))", 2),
            (
                '(recover (thunk (raise "boom")) (lambda (err) (str "caught: " err)))',
                "caught: boom",
            ),
            ("(defer* (thunk 1) (thunk 2))", 1),
            ("(: {:inc (lambda (x) (+ x 1))} :inc 41)", 42),
            ("(declare f) (define (g n) (f n)) (define (f n) (* n 2)) (g 4)", 8),
            (
                "[(special? lambda) (macro? when) (special? +) (!macro? if)]",
                [True, True, False, True],
            ),
            ("#b[1 2 3]", "#b[1 2 3]"),
            (
                "[(bytes? #b[1]) (length #b[1 2]) (first #b[7]) (#b[1 2 3] 1)]",
                [True, 2, 7, "#b[2 3]"],
            ),
            ("(cons 1 2)", "(1 . 2)"),
            ('(append "ab" "c")', "abc"),
            ("[*pos-inf* *neg-inf*]", [1.7976931348623157e308, -1.7976931348623157e308]),
            ("#| a #| b |# c |# 1", 1),
            ("(syntax-quote (1 (unquote (+ 1 1)) (unquote-splicing [3])))", [1, 2, 3]),
            ("(generate (emit 1) (emit (+ 1 1)))", [1, 2]),
            ("[(gensym) (gensym :k)]", ["x-anon-gensym-1", "x-k-gensym-2"]),
            ("1e300", 1e300),
            ("(* 1e300 1e300)", 1.7976931348623157e308),
        ],
    )
    def test_give_a_value_as_json(self, text: str, value: Any) -> None:
        assert run(text) == {"result": value}

    def test_see_their_inputs_and_give_objects_as_outputs(self) -> None:
        text = "{:pieces (reduce + (map :n (:lines order))) :note (:note order)}"

        assert run(text, order=ORDER) == {"pieces": 3, "note": None}

    def test_that_are_lazy_without_end_are_stopped(self) -> None:
        with pytest.raises(ScriptFailed, match="sequence too long"):
            run("(length (range))")

    def test_that_call_themselves_without_end_are_stopped(self) -> None:
        with pytest.raises(ScriptFailed):
            run("(define (f x) (+ 1 (f x))) (f 1)")


class TestFailures:
    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("(get {} :a)", "key not found"),
            ('(case "q" ["x" 1])', "no cases could be matched"),
            ("(/ 1 0)", "divide by zero"),
            (
                '(+ "a" 1)',
                "interface conversion: data.String is not data.Number: missing method Add",
            ),
            (
                "(first 5)",
                "interface conversion: data.Integer is not data.Sequence: missing method Car",
            ),
            (
                "(assoc {} :a 1)",
                "interface conversion: data.Keyword is not data.Pair: missing method Car",
            ),
            (
                "(assoc [1] (:a . 1))",
                "interface conversion: data.Vector is not data.Mapper: missing method Get",
            ),
            ('(list (raise "a") (raise "b"))', "ale execution error\nb"),
            ("(let [k :a] (k))", "expected between 1 and 2 arguments, got 0"),
            (
                "(true 1)",
                "interface conversion: data.Bool is not data.Procedure: missing method Call",
            ),
            (
                "(let [i if] (i 1 2))",
                "interface conversion: compiler.Call is not data.Procedure: missing method Call",
            ),
            (
                "(1.5 [1])",
                "interface conversion: data.Float is not data.Procedure: missing method Call",
            ),
            ("({:a 1} :a :b :c)", "expected between 1 and 2 arguments, got 3"),
            (
                '(nth [1] "a")',
                "interface conversion: ale.Value is data.String, not data.Integer",
            ),
            (
                "(nth 5 0)",
                "interface conversion: data.Integer is not data.Indexed: missing method ElementAt",
            ),
            (
                "(length 5)",
                "interface conversion: data.Integer is not data.Counted: missing method Count",
            ),
            (
                "(append '(1) 2)",
                "interface conversion: *data.List is not data.Appender: missing method Append",
            ),
            (
                "(reverse 5)",
                "interface conversion: data.Integer is not data.Reverser: missing method Car",
            ),
            (
                "(dissoc [1] 0)",
                "interface conversion: data.Vector is not data.Mapper: missing method Get",
            ),
            (
                "(get [1] 0)",
                "interface conversion: data.Vector is not data.Mapped: missing method Get",
            ),
            ("(is-a :odd 5)", "unknown predicate: :odd"),
            ("(bytes 256)", "integer out of byte range: 256"),
            ('(bytes "a")', 'value is not an integer: "a"'),
            ("(assert-type :string 5)", "ale execution error\ngot number, expected string: 5"),
            ("(apply + 5)", "ale execution error\ngot number, expected sequence: 5"),
            ("(declare f) (f 1)", "name is not bound in namespace: f"),
            ("(let [x 1] (eval 'x))", "name not declared in namespace: x"),
            ("(force (delay (raise :boom)))", "ale execution error\n:boom"),
            ("((lambda (x) x))", "got 0 arguments, expected 1"),
            ("((lambda (x . more) x))", "got 0 arguments, expected 1 or more"),
            ("((lambda [(x) x] [(x y z) y]) 1 2)", "got 2 arguments, expected 1, 3"),
            ('(println "x")', "name is not bound in namespace: *out*"),
            ("*env*", "name is not bound in namespace: *env*"),
            ('(raise "boom")', "ale execution error\nboom"),
        ],
    )
    def test_are_told_in_the_words_of_the_original(self, text: str, error: str) -> None:
        with pytest.raises(ScriptFailed) as failed:
            run(text)

        assert str(failed.value) == error

    def test_can_be_caught(self) -> None:
        assert run('(try (raise "boom") (catch [e] (str "saw " e)))') == {"result": "saw boom"}

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("", "script empty"),
            ("(+ 1", "list not closed (line 1, column 16)"),
            ("(+ 1\n  (é", "list not closed (line 2, column 6)"),
            ("[1 2", "unmatched list end (line 1, column 16)"),
            ("{:a 1", "unmatched list end (line 1, column 17)"),
            ("(]", "unmatched vector end (line 1, column 13)"),
            ("}", "unmatched object end (line 1, column 12)"),
            (")", "no parameter case body: ()"),
            ("1)", "unmatched list end (line 1, column 14)"),
            ('] "', "unmatched vector end (line 1, column 12)"),
            ('(str "a', "string has no closing quote (line 1, column 17)"),
            ("#| a", "comment has no closing marker (line 1, column 12)"),
            ("1 |#", "encountered '|#' with no open block comment (line 1, column 14)"),
            ("(list @)", "unexpected characters: @ (line 1, column 18)"),
            ("(list '", f"unmatched list end{' (line 1, column 19)' * 2}"),
            ("{:a}", "map does not contain an even number of elements (line 1, column 15)"),
            ("(. 1)", "invalid list syntax (line 1, column 13)"),
            ("'(1 . 2 3)", f"invalid list syntax{' (line 1, column 21)' * 2}"),
            ("[1 . 2]", "unexpected dot (line 1, column 15)"),
            ("1/0", "value is not a ratio: 1/0 (line 1, column 12)"),
            ("(+ 1a 2)", "value is not an integer: 1a (line 1, column 15)"),
            ("1.5x", "value is not a float: 1.5x (line 1, column 12)"),
            ("09", "value is not an integer: 09 (line 1, column 12)"),
            ("(odd?)", "got 0 arguments, expected 1 or more"),
            ("(-)", "got 0 arguments, expected 1 or more"),
            ("(< )", "got 0 arguments, expected 1 or more"),
            ("(mod 5)", "got 1 arguments, expected 2 or more"),
            ("(:a)", "expected between 1 and 2 arguments, got 0"),
            ("(5 [] 1 2)", "expected between 1 and 2 arguments, got 3"),
            ('("text")', "expected between 1 and 2 arguments, got 0"),
            ("(inc 1 2)", "got 2 arguments, expected 1"),
            ("(get {:a 1})", "got 1 arguments, expected 2-3"),
            ("(reduce +)", "got 1 arguments, expected 2-3"),
            ("(when)", "got 0 arguments, expected 1 or more"),
            ("(quote)", "got 0 arguments, expected 1"),
            ("(let [x 1])", "expected at least 2 arguments, got 1"),
            ("(let 5 5)", "unexpected binding syntax: 5"),
            ("(let [x] x)", "binding must be a paired vector"),
            ("(let [x 1 y 2] x)", "binding must be a paired vector"),
            (
                "(let (x 1) x)",
                "interface conversion: ale.Value is data.Local, not data.Vector",
            ),
            (
                "(let [1 2] 1)",
                "interface conversion: ale.Value is data.Integer, not data.Local",
            ),
            ("(let ([x 1] [x 2]) x)", "name is already bound in local scope: x"),
            ("(define x)", "malformed form"),
            ("(if 1)", "got 1 arguments, expected 2-3"),
            ("(eval)", "expected 1 arguments, got 0"),
            ("(lambda)", "no parameter cases defined"),
            ("(lambda 5 x)", "unexpected case syntax: 5"),
            ("(lambda (x))", "no parameter case body: (x)"),
            ("(define-macro (m x) x)", "name not declared in namespace: define-macro"),
            ("#b[1 2", "unmatched list end (line 1, column 18)"),
            ("(current-time)", "name not declared in namespace: current-time"),
            ("(os 1)", "name not declared in namespace: os"),
            ("(frob here there)", "name not declared in namespace: there"),
            ("(os/exit 1)", "namespace not found: os"),
            ("(ale/exit 1)", "name not declared in namespace: exit"),
        ],
    )
    def test_to_compile_name_the_reason(self, text: str, error: str) -> None:
        with pytest.raises(ScriptBroken) as broken:
            compile_script(Script(language="ale", text=text), ())

        assert str(broken.value) == error

"""What is hardly ever sent over Argyll's HTTP surface, and must not break anything."""

import base64
import json
from typing import Any

import pytest
from django.test import Client

from tests.integration.workflows.flows.api.test_engine_api import ask, script
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import StepServer
from workflows.work.models import Work

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]


def called(peer: StepServer, answer: Any, **extra: Any) -> None:
    """Register the step `call`, which is answered so."""
    peer.says["/call"] = answer if isinstance(answer, tuple) else (200, answer)
    body = {"id": "call", "name": "call", "type": "sync", "http": {"endpoint": peer.url("/call")}}
    attributes = {"out": {"role": "output"}}
    assert ask("POST", "/engine/step", {"attributes": attributes, **body, **extra})[0] == 201


def started(flow_id: str, goal: str, **init: list[Any]) -> None:
    assert ask("POST", "/engine/flow", {"id": flow_id, "goals": [goal], "init": init})[0] == 201


KIND = "json: cannot unmarshal {} into Go struct field"


def armoured(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


class TestAnswersOfSteps:
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b'{"out":NaN}', "invalid character 'N' looking for beginning of value"),
            (b'{"out":1e400}', "json: cannot unmarshal number 1e400 into Go value of type float64"),
            (b'{"out":"\\u0000"}', "a text has a NUL"),
            (b'{"out":' + b"[" * 60 + b"]" * 60 + b"}", "nested more than 48 levels deep"),
            (b'{"out":1} x', "invalid character 'x' after top-level value"),
            (b'{"out":', "unexpected end of JSON input"),
            (b"[1]", "json: cannot unmarshal array into Go value of type api.Args"),
        ],
    )
    def test_that_no_event_can_carry_fail_their_step_at_once(
        self, peer: StepServer, answer: bytes, reason: str
    ) -> None:
        called(peer, answer)
        started("odd", "call")

        work_off()

        ended = flow("odd")
        assert ended.error == f"step call failed: invalid output JSON: {reason}"
        assert ended.is_over
        assert len(peer.calls("/call")) == 1
        assert not Work.objects.exclude(status__in=["done", "cancelled"]).exists()

    def test_have_their_large_numbers_in_all_digits(self, peer: StepServer) -> None:
        called(peer, b'{"out":12345678901234567890}')
        started("many", "call")

        work_off()

        assert b'"value":12345678901234567000' in Client().get("/engine/flow/many").content
        assert b'"out":12345678901234567000' in Client().get("/engine/flow/many/events").content

    def test_whose_errors_are_unreadable_are_told_as_far_as_they_can_be(
        self, peer: StepServer
    ) -> None:
        called(peer, (422, b'{"detail":"' + b"x" * 20_000 + b'\xff"}'))
        started("loud", "call")

        work_off()

        assert flow("loud").is_over
        assert len(flow("loud").error) < 9_000

    def test_may_have_numbers_that_only_doubles_hold(self, peer: StepServer) -> None:
        called(peer, b'{"out":12345678901234567890}')
        started("large", "call")

        work_off()

        assert flow("large").values("out")[0].value == 1.2345678901234567e19

    def test_are_waited_for_as_long_as_by_default_if_less_than_nothing_is_asked_for(
        self, peer: StepServer
    ) -> None:
        called(peer, {"out": 1}, http={"endpoint": peer.url("/call"), "timeout": -5})
        started("prompt", "call")

        work_off()

        assert flow("prompt").values("out")[0].value == 1


class TestScripts:
    def test_that_give_what_no_event_can_carry_fail_their_flow_and_not_the_request(self) -> None:
        text = '(let [f (lambda (x) (str x x))] (f (f (f (f (f (f (f (f "%s")))))))))' % (
            "x" * 4096
        )
        ask("POST", "/engine/step", script("grow", text))

        started("grown", "grow")

        assert flow("grown").error.startswith("step grow failed: ")
        assert flow("grown").is_over

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("ale", "{:out (if (empty? str) 1 2)}"),
            ("lua", "return {out = table == nil and 1 or 2}"),
        ],
    )
    def test_see_an_input_that_is_not_there_as_null_whatever_their_language_calls_so(
        self, language: str, text: str
    ) -> None:
        body = {"language": language, "script": text}
        inputs = {name: {"role": "optional"} for name in ("str", "table")}
        attributes = {**inputs, "out": {"role": "output"}}
        predicate = {"ale": "(empty? table)", "lua": "return str == nil"}[language]
        extra = {"predicate": {"language": language, "script": predicate}}
        ask(
            "POST", "/engine/step", script("lacks", "", script=body, attributes=attributes, **extra)
        )

        started("lacking", "lacks")
        work_off()

        assert flow("lacking").values("out")[0].value == 1
        assert flow("lacking").executions["lacks"].inputs == {}

    def test_of_outputs_see_one_that_was_not_given_as_null(self, peer: StepServer) -> None:
        def mapped(text: str) -> dict[str, Any]:
            body = {"language": "ale", "script": text}
            return {"role": "output", "output": {"mapping": {"script": body}}}

        attributes = {"a": mapped("{:value [b a]}"), "b": mapped("(if (empty? b) 7 8)")}
        called(peer, {"a": 1}, attributes=attributes)
        started("given", "call")
        work_off()

        assert flow("given").values("a")[0].value == [None, 1]
        assert flow("given").values("b")[0].value == 7

    def test_of_mappings_may_name_the_other_inputs(self) -> None:
        def to(text: str) -> dict[str, Any]:
            return {"mapping": {"script": {"language": "ale", "script": text}}}

        attributes = {
            "a": {"role": "required", "required": to("(if (eq b null) (+ a 1) b)")},
            "b": {"role": "required"},
            "out": {"role": "output", "output": to("{:value [out b]}")},
        }
        body = script("both", "{:out a}", attributes=attributes)
        assert ask("POST", "/engine/step", body)[0] == 201
        begin = {"id": "f1", "goals": ["both"], "init": {"a": [1], "b": [9]}}
        assert ask("POST", "/engine/flow", begin)[0] == 201
        work_off()

        assert flow("f1").values("out")[0].value == [2, None]


class TestNamesOfMembers:
    def test_are_taken_in_any_letter_case_as_their_decoder_does(self) -> None:
        step = {
            "ID": "Twice",
            "Name": "twice",
            "Type": "script",
            "Script": {"Language": "ale", "SCRIPT": "{:Out N}"},
            "Attributes": {
                "N": {"Role": "required", "Required": {"Collect": "last"}},
                "Out": {"Role": "output"},
            },
        }
        assert ask("POST", "/engine/step", step)[0] == 201
        assert ask("PUT", "/engine/step/twice", {**step, "Memoizable": True})[0] == 200
        _, stored = ask("GET", "/engine/step/twice")
        assert stored["memoizable"]
        assert stored["attributes"]["N"] == {"role": "required", "required": {"collect": "last"}}

        assert ask("POST", "/engine/plan", {"Goals": ["twice"]})[1]["required"] == ["N"]
        begin = {"Id": "f1", "GOALS": ["twice"], "Init": {"N": [1]}, "Labels": {"Env": "x"}}
        assert ask("POST", "/engine/flow", begin)[0] == 201
        work_off()

        assert flow("f1").values("Out")[0].value == 1
        _, found = ask("POST", "/engine/flow/query", {"LABELS": {"Env": "x"}, "Limit": 1})
        assert [one["id"] for one in found["flows"]] == ["f1"]
        assert ask("POST", "/engine/flow/query", {"Labels": {"env": "x"}})[1]["flows"] == []

    @pytest.mark.parametrize(
        ("body", "flow_id"),
        [('{"id":"a","ID":"b",%s}', "b"), ('{"ID":"b","id":"a",%s}', "a")],
    )
    def test_in_two_spellings_count_as_the_last_one_says(self, body: str, flow_id: str) -> None:
        ask("POST", "/engine/step", script("one", "{:x 1}"))

        answer = ask("POST", "/engine/flow", body % '"goals":["one"]')

        assert answer == (201, {"message": "", "flow_id": flow_id})

    def test_in_two_spellings_add_to_maps_and_objects(self) -> None:
        step = (
            '{"id":"sum","name":"sum","type":"script","script":{"language":"ale"},'
            '"Script":{"script":"{:c (+ a b)}"},"attributes":{"a":{"role":"required"}},'
            '"Attributes":{"b":{"role":"required"},"c":{"role":"output"}}}'
        )
        assert ask("POST", "/engine/step", step)[0] == 201
        begin = '{"id":"f1","goals":["sum"],"init":{"a":[1]},"Init":{"b":[2]}}'
        assert ask("POST", "/engine/flow", begin)[0] == 201
        work_off()

        assert flow("f1").values("c")[0].value == 3

    def test_are_told_as_they_are_declared(self) -> None:
        assert ask("POST", "/engine/step", {"ID": 1})[1]["error"] == (
            f"invalid JSON request: {KIND.format('number')} Step.id of type api.StepID"
        )


class TestCatalogue:
    def test_of_a_step_that_changes_or_goes_keeps_nothing_in_its_graph(self) -> None:
        def gives(name: str) -> dict[str, Any]:
            return script("giver", f"{{:{name} 1}}", attributes={name: {"role": "output"}})

        def known() -> dict[str, Any]:
            found: dict[str, Any] = ask("GET", "/engine/catalog")[1]["attributes"]
            return found

        ask("POST", "/engine/step", gives("old"))
        assert ask("PUT", "/engine/step/giver", gives("new"))[0] == 200
        assert known() == {"new": {"providers": ["giver"], "consumers": []}}
        assert ask("DELETE", "/engine/step/giver")[0] == 200
        assert known() == {}

        takes = {"old": {"role": "required"}, "new": {"role": "required"}}
        assert ask("POST", "/engine/step", script("taker", "{}", attributes=takes))[0] == 201
        assert known()["old"] == {"providers": [], "consumers": ["taker"]}


class TestRequests:
    @pytest.mark.parametrize(
        ("goals", "init", "error"),
        [
            (["one"], {"n": [[0] * 10_001]}, "10001 (max 10000)"),
            (["one", "two", "last"], {"n": [[0] * 10_000], "m": [[0]]}, "20001 (max 20000)"),
        ],
    )
    def test_for_more_items_than_may_be_are_refused_as_in_the_original(
        self, goals: list[str], init: dict[str, Any], error: str
    ) -> None:
        each = {"role": "required", "required": {"for_each": True}}
        for step_id, name in (("one", "n"), ("two", "n"), ("last", "m")):
            ask("POST", "/engine/step", script(step_id, "{}", attributes={name: each}))
        body = {"id": "many", "goals": goals, "init": init}

        assert ask("POST", "/engine/flow", body) == (
            500,
            {"error": f"failed to start flow: too many work items: {error}", "status": 500},
        )
        assert ask("GET", "/engine/flow/many")[0] == 404

    def test_for_a_step_that_only_names_its_default_method_change_nothing(self) -> None:
        http = {"endpoint": "http://127.0.0.1:1/x"}
        step = {"id": "call", "name": "call", "type": "sync", "attributes": {}, "http": http}
        named = {**step, "http": {**http, "method": "POST"}}
        ask("POST", "/engine/step", step)

        assert ask("POST", "/engine/step", named)[0] == 201
        assert ask("PUT", "/engine/step/call", named)[0] == 200
        assert ask("GET", "/engine/catalog/events")[1]["count"] == 1
        assert ask("POST", "/engine/step", {**step, "http": {**http, "method": "GET"}})[0] == 409

    @pytest.mark.parametrize("flow_id", ["%00", "x" * 600, "%E2%98%83"])
    def test_for_flows_that_cannot_be_are_not_found(self, flow_id: str) -> None:
        for path in ("", "/status", "/events"):
            assert ask("GET", f"/engine/flow/{flow_id}{path}")[0] == 404
        assert ask("POST", f"/webhook/{flow_id}/step/token", {}) == (
            400,
            {"error": "Flow not found", "status": 400},
        )

    @pytest.mark.parametrize(
        ("cursor", "reason"),
        [
            ("!!", "illegal base64 data at input byte 0"),
            ("ab=", "illegal base64 data at input byte 2"),
            ("abé", "illegal base64 data at input byte 2"),
            ("abcde", "illegal base64 data at input byte 4"),
            ("bm90LWpzb24", "invalid character 'o' in literal null (expecting 'u')"),
            ("bm90LWJhc2U2NA=", "illegal base64 data at input byte 14"),
            (
                armoured('{"group":"x"}'),
                f"{KIND.format('string')} flowQueryCursor.group of type int",
            ),
            (
                armoured('{"recent":1.5}'),
                f"{KIND.format('number 1.5')} flowQueryCursor.recent of type int64",
            ),
        ],
    )
    def test_with_a_cursor_of_no_page_are_told_why(self, cursor: str, reason: str) -> None:
        assert ask("POST", "/engine/flow/query", {"cursor": cursor}) == (
            400,
            {"error": f"invalid flow cursor\n{reason}", "status": 400},
        )

    @pytest.mark.parametrize("recent", [10**40, -(10**40)])
    def test_with_a_cursor_out_of_time_are_refused(self, recent: int) -> None:
        cursor = armoured(json.dumps({"id": "a", "group": 1, "recent": recent}))

        status, answer = ask("POST", "/engine/flow/query", {"cursor": cursor})

        assert status == 400
        assert answer["error"].startswith("invalid flow cursor")

    def test_begin_with_the_first_page_after_a_cursor_that_names_nothing(self) -> None:
        assert ask("POST", "/engine/flow/query", {"cursor": armoured("{}")})[0] == 200

    def test_tell_of_the_first_member_of_another_type(self) -> None:
        body = '{"memoizable":1,"name":2,"id":3}'

        assert ask("POST", "/engine/step", body)[1]["error"] == (
            "invalid JSON request: json: cannot unmarshal number into Go struct field "
            "Step.memoizable of type bool"
        )

    @pytest.mark.parametrize(
        ("path", "body", "answer"),
        [
            ("plan", {"goals": ["a", None]}, (404, "step not found: [a ]")),
            ("flow", {"id": "f", "goals": [None]}, (404, "step not found: []")),
            ("flow/query", {"statuses": [None]}, (400, "Invalid statuses")),
            ("flow/query", {"labels": {"env": None}}, (400, "Invalid labels")),
        ],
    )
    def test_with_null_among_texts_have_an_empty_one_there(
        self, path: str, body: dict[str, Any], answer: tuple[int, str]
    ) -> None:
        status, message = answer

        assert ask("POST", f"/engine/{path}", body) == (
            status,
            {"error": message, "status": status},
        )

    def test_with_a_default_that_is_no_json_are_refused(self) -> None:
        literal = {"role": "optional", "type": "number", "optional": {"default": "NaN"}}

        assert (
            ask("POST", "/engine/step", script("nan", "1", attributes={"x": literal}))[1]["error"]
            == 'invalid step\ninvalid default value for type for attribute "x": must be valid JSON'
        )

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/health"), ("POST", "/webhook"), ("PUT", "/engine/ws"), ("POST", "/engine/")],
    )
    def test_by_a_method_that_an_address_has_not_are_not_found(
        self, method: str, path: str
    ) -> None:
        response = Client(enforce_csrf_checks=True).generic(method, path)

        assert (response.status_code, response.content) == (404, b"404 page not found")

    def test_of_a_browser_beforehand_are_let_pass_everywhere(self) -> None:
        for path in ("/health", "/engine/ws", "/webhook/f/s/t/"):
            assert (Client().options(path).status_code, Client().options(path).content) == (
                200,
                b"",
            )

"""What Argyll's Python SDK reads of us, and sends back."""

from typing import Any

import pytest

from tests.integration.workflows.flows.api.test_engine_api import ask, script
from tests.integration.workflows.flows.api.test_step_validation import sync
from tests.integration.workflows.flows.conftest import work_off
from tests.support.step_server import StepServer, http_step
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]

LANGUAGES = {"ale", "lua", "jpath"}
TYPES = {"string", "number", "boolean", "object", "array", "null", "any"}


def as_read(step: dict[str, Any]) -> dict[str, Any]:
    """Return a listed step as the SDK reads it: what it wants is demanded, the rest forgotten."""
    assert step["type"] in {"sync", "async", "script", "flow"}
    assert {spec["type"] for spec in step["attributes"].values()} <= TYPES
    work = step["work_config"]
    read = {key: step[key] for key in ("id", "name", "type", "attributes")}
    kept = ("max_retries", "backoff_type", "max_backoff")
    read["work_config"] = {key: work[key] for key in kept}
    if "http" in step:
        read["http"] = {"endpoint": step["http"]["endpoint"]}
    for name in ("script", "predicate"):
        if name in step:
            assert step[name]["language"] in LANGUAGES
            read[name] = dict(step[name])
    for spec in step["attributes"].values():
        config = spec.get(spec["role"], {})
        scripts = [config.get("match"), config.get("mapping", {"name": "n"}).get("script")]
        assert {script["language"] for script in scripts if script} <= LANGUAGES
        assert config.get("mapping") != {}
    return read


RULED = {
    "role": "required",
    "required": {
        "match": {"language": "jpath", "script": "$.a"},
        "mapping": {"name": "m", "script": {"language": "lua", "script": "return 1"}},
    },
}

STEPS = [
    sync(id="fast", work_config={"init_backoff": 5, "max_backoff": 20, "backoff_type": "fixed"}),
    sync(id="plain", attributes=None),
    sync(id="takes", attributes={"n": {"role": "required"}}),
    sync(id="rules", attributes={"n": RULED}),
    script(id_="gives", text="{:n 1}", attributes={"n": {"role": "output"}}),
]


def test_every_step_of_a_list_can_be_read_and_sent_back() -> None:
    for step in STEPS:
        assert ask("POST", "/engine/step", step)[0] == 201

    read = [as_read(step) for step in ask("GET", "/engine/step")[1]["steps"]]
    sent = [ask("PUT", f"/engine/step/{step['id']}", step)[0] for step in read]

    assert [step["id"] for step in read] == ["fast", "plain", "takes", "rules", "gives"]
    assert sent == [200] * 5
    work = ask("GET", "/engine/step/fast")[1]["work_config"]
    assert (work["init_backoff"], work["max_backoff"]) == (20, 20)


def test_a_list_without_steps_can_be_read() -> None:
    assert ask("GET", "/engine/step") == (200, {"steps": [], "count": 0})


def test_a_step_that_is_there_is_updated_as_the_sdk_does_it() -> None:
    first, second = sync(), sync(http={"endpoint": "http://peer.example/moved"})
    ask("POST", "/engine/step", first)

    assert ask("POST", "/engine/step", second)[0] == 409
    assert ask("PUT", "/engine/step/a", second)[0] == 200
    assert ask("GET", "/engine/step/a")[1]["http"]["endpoint"].endswith("/moved")


SET_BY_HAND = {
    "effect": "verify",
    "verify": "http://peer.example/done",
    "callback_timeout": 9000,
}


def registered(**http: Any) -> dict[str, Any]:
    """Return a definition of step `a` with these members of `http`."""
    return sync(type="async", http={"endpoint": "http://peer.example/x", **http})


def http_of_a() -> dict[str, Any]:
    http: dict[str, Any] = ask("GET", "/engine/step/a")[1]["http"]
    return http


class TestWhatArgyllsFormHasNot:
    def test_is_kept_when_a_step_server_registers_again(self) -> None:
        ask("POST", "/engine/step", registered(**SET_BY_HAND))
        again = registered(timeout=7)

        assert ask("POST", "/engine/step", again)[0] == 409
        status, answer = ask("PUT", "/engine/step/a", again)

        assert (status, answer["step"]["http"]) == (200, again["http"])
        assert http_of_a() == {**again["http"], **SET_BY_HAND}

    @pytest.mark.parametrize(
        ("named", "left"),
        [
            ({"effect": "at_most_once"}, {**SET_BY_HAND, "effect": "at_most_once"}),
            ({"callback_timeout": 0}, {k: SET_BY_HAND[k] for k in ("effect", "verify")}),
            ({"effect": "", "verify": ""}, {"callback_timeout": 9000}),
            ({"effect": None}, SET_BY_HAND),
        ],
    )
    def test_is_as_a_client_names_it(self, named: dict[str, Any], left: dict[str, Any]) -> None:
        ask("POST", "/engine/step", registered(**SET_BY_HAND))

        assert ask("PUT", "/engine/step/a", registered(**named))[0] == 200

        assert http_of_a() == {"endpoint": "http://peer.example/x", "timeout": 0, **left}

    def test_is_checked_together_with_what_is_named(self) -> None:
        ask("POST", "/engine/step", registered(**SET_BY_HAND))

        status, answer = ask("PUT", "/engine/step/a", registered(verify=""))

        assert (status, answer["error"]) == (
            400,
            "invalid step\nverify URL required for effect verify",
        )

    def test_is_not_lost_when_it_is_set_at_the_same_moment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask("POST", "/engine/step", registered())
        seen = engine.catalog()
        services.update_step(step=step_from_json(registered(**SET_BY_HAND)))
        with monkeypatch.context() as patched:
            patched.setattr(engine, "catalog", lambda: seen)
            status, _ = ask("PUT", "/engine/step/a", registered(timeout=7))

        assert status == 409
        assert http_of_a().items() >= SET_BY_HAND.items()

    def test_goes_with_the_address_that_it_is_about(self) -> None:
        ask("POST", "/engine/step", registered(**SET_BY_HAND))

        assert ask("PUT", "/engine/step/a", script(id_="a", text="1"))[0] == 200
        assert "http" not in ask("GET", "/engine/step/a")[1]


@pytest.mark.parametrize(
    ("asked", "undone"), [({"compensate": True}, 1), ({"compensate": False}, 0), ({}, 0)]
)
def test_a_flow_that_asks_for_it_undoes_its_earlier_steps_when_it_fails(
    peer: StepServer, asked: dict[str, bool], undone: int
) -> None:
    hold = http_step(peer, "hold", seat="output")
    hold["http"]["compensate"] = peer.url("/release")
    for step in (hold, http_step(peer, "charge", seat="required")):
        assert ask("POST", "/engine/step", step)[0] == 201
    peer.says |= {"/hold": (200, {"seat": "12A"}), "/charge": (422, {})}

    body = {"id": "trip", "goals": ["charge"], "init": {}, **asked}
    assert ask("POST", "/engine/flow", body)[0] == 201
    work_off()

    assert ask("GET", "/engine/flow/trip/status")[1]["status"] == "failed"
    assert [call.body["output"] for call in peer.calls("/release")] == [{"seat": "12A"}] * undone


def test_one_step_is_shown_without_the_type_that_it_has_not() -> None:
    ask("POST", "/engine/step", sync(attributes={"n": {"role": "required"}}))

    assert ask("GET", "/engine/step/a")[1]["attributes"] == {"n": {"role": "required"}}


CEL = {"language": "cel", "script": "true"}
RENAMED = {"name": "m", "script": CEL}


@pytest.mark.parametrize(
    "step",
    [
        {"id": "own", "name": "Own", "type": "wait", "wait": {"for_ms": 5}},
        {"id": "own", "name": "Own", "type": "python", "python": {"callable": "no.such"}},
        {"id": "own", "name": "Own", "type": "approval", "approval": {"policy": "nobody"}},
        {
            "id": "own",
            "name": "Own",
            "type": "script",
            "script": {"language": "cel", "script": "{'n': 1}"},
            "attributes": {"n": {"role": "output"}},
        },
        sync(id="own", predicate={"language": "cel", "script": "true"}),
        sync(id="own", attributes={"n": {"role": "required", "required": {"match": CEL}}}),
        sync(id="own", attributes={"n": {"role": "optional", "optional": {"mapping": RENAMED}}}),
        sync(
            id="own", attributes={"n": {"role": "output", "output": {"mapping": {"script": CEL}}}}
        ),
    ],
)
def test_a_step_that_only_we_have_is_read_and_not_overwritten(step: dict[str, Any]) -> None:
    ask("POST", "/engine/step", sync(id="theirs"))
    assert ask("POST", "/engine/step", step)[0] == 201
    before = ask("GET", "/engine/step/own")

    read = [as_read(one) for one in ask("GET", "/engine/step")[1]["steps"]]
    sent = [ask("PUT", f"/engine/step/{one['id']}", one)[0] for one in read]

    assert {one["id"]: one["type"] for one in read} == {"theirs": "sync", "own": "async"}
    assert dict(zip([one["id"] for one in read], sent, strict=True)) == {"theirs": 200, "own": 400}
    assert ask("GET", "/engine/step/own") == before
    assert before[1]["type"] == step["type"]

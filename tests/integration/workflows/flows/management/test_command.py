"""`manage.py flows`."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from events.sourcing import states
from ledger.models import Entry
from tests.integration.workflows.flows.clients import script
from tests.integration.workflows.flows.conftest import work_off
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution.aggregates import FLOWS, stream_of
from workflows.flows.explanations import explain
from workflows.flows.steps import callables
from workflows.work import runner

pytestmark = pytest.mark.django_db(transaction=True)

DEEP = "[" * 100_000


@pytest.fixture(autouse=True)
def _step() -> None:
    document = {
        "id": "add",
        "name": "Add",
        "type": "script",
        "script": {"language": "ale", "script": "{:sum (+ n 1)}"},
        "attributes": {"n": {"role": "required"}, "sum": {"role": "output"}},
    }
    services.register_step(step=step_from_json(document))


def output_of(*arguments: str) -> str:
    out = StringIO()
    call_command("flows", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("arguments", [("list",), ("list", "--goal", "nothing"), ("starts",)])
def test_says_that_there_are_none_beside_the_output(arguments: tuple[str, ...]) -> None:
    out, beside = StringIO(), StringIO()

    call_command("flows", *arguments, stdout=out, stderr=beside, no_color=True)

    assert (out.getvalue(), beside.getvalue()) == ("", "There are none.\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pause", "f1", "--reason", " "), "argument --reason: it says nothing"),
        (("show", "f1", "--at", "x"), "argument --at: 'x' is no whole number"),
    ],
)
def test_refuses_arguments_that_say_nothing(arguments: tuple[str, ...], says: str) -> None:
    output_of("start", "f1", "add", "--init", "n=1")

    with pytest.raises(CommandError, match=says):
        output_of(*arguments)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "no JSON object"),
        (DEEP, "is nested too deep"),
        ('{"http": {"url": 1}}', "a step has no member /http/url"),
    ],
)
def test_refuses_a_file_that_is_no_definition(
    tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "step.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(CommandError, match=says):
        output_of("register", str(file))


def test_tells_a_start_that_never_was_from_one_without_a_story() -> None:
    with pytest.raises(CommandError, match="There is no start called nightly"):
        output_of("occasions", "nightly")


def test_plans_without_starting() -> None:
    assert output_of("plan", "add") == "runs     add\nmissing  n\n"
    assert output_of("plan", "add", "--init", "n=1") == "runs     add\n"
    assert output_of("list") == ""


def test_starts_lists_and_shows() -> None:
    assert output_of("start", "f1", "add", "--init", "n=41") == "f1: completed\n"
    assert output_of("list", "--status", "active") == ""
    assert output_of("list").split()[1:] == ["completed", "f1", "add"]
    shown = output_of("show", "f1")
    assert "f1: completed at sequence" in shown
    assert "sum = 42" in shown
    assert "sum" not in output_of("show", "f1", "--at", "1")


def test_runs_a_flow_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(callables._registered, "seven", lambda _inputs: {"n": 7})
    attributes = {"n": {"role": "output"}}
    document = {"id": "give", "name": "Give", "type": "python", "attributes": attributes}
    services.register_step(step=step_from_json({**document, "python": {"callable": "seven"}}))

    assert output_of("start", "f1", "add", "give") == "f1: active\n"
    assert output_of("run", "f2", "add", "give") == "f2: completed\n"


def test_tells_the_events_line_by_line() -> None:
    output_of("start", "f1", "add", "--init", "n=41")

    names = [json.loads(line)["name"] for line in output_of("events", "f1").splitlines()]

    assert (names[0], names[-1]) == ("flow_started", "flow_deactivated")


def test_replays_and_finds_a_state_that_is_not_its_events() -> None:
    output_of("start", "f1", "add", "--init", "n=41")
    assert output_of("replay", "f1").endswith("events say what is kept\n")

    stream, wrong = stream_of("f1"), explain.reached("f1", at=1).flow
    states.remember(FLOWS, stream, states.fresh(FLOWS, stream)._replace(state=wrong))
    with pytest.raises(CommandError, match="not what its events say"):
        output_of("replay", "f1")


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--limit", "-1"),
        ("list", "--limit", "0"),
        ("show", "f1", "--at", "0"),
        ("start", "f1", "add", "--timeout-ms", "-5"),
    ],
)
def test_counts_from_one(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="is less than 1"):
        output_of(*arguments)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--timeout-ms", "99999999999999", "timeout_ms must be between 1 and 31622400000."),
        ("--concurrency-key", "k" * 201, "concurrency_key has at most 200 characters."),
    ],
)
def test_refuses_options_beyond_their_limits(option: str, value: str, says: str) -> None:
    with pytest.raises(CommandError, match=f"^{says} Nothing was started.$"):
        output_of("start", "f1", "add", "--init", "n=1", option, value)

    assert output_of("list") == ""


def test_tells_what_could_not_be_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callables, "_registered", {"do": _does, "undo": _can_never_undo})
    python = {"callable": "do", "compensate": "undo"}
    done = {"id": "done", "name": "Done", "type": "python", "python": python}
    services.register_step(step=step_from_json(done))
    wait = {"id": "wait", "name": "Wait", "type": "wait", "wait": {"for_ms": 60_000}}
    services.register_step(step=step_from_json(wait))
    output_of("start", "f1", "done", "wait")
    work_off()
    output_of("cancel", "f1", "--reason", "storm", "--compensate")
    work_off()

    assert "  not undone: what done did\n" in output_of("show", "f1")


def test_retries_what_waits_to_be_undone_too() -> None:
    document = {
        "id": "undone",
        "name": "Undone",
        "type": "python",
        "python": {"callable": "tests.do", "compensate": "tests.undo"},
    }
    services.register_step(step=step_from_json(document))
    callables.step_function("tests.do")(_does)
    callables.step_function("tests.undo")(_does_not_undo)
    wait = {"id": "wait", "name": "Wait", "type": "wait", "wait": {"for_ms": 60_000}}
    services.register_step(step=step_from_json(wait))
    output_of("start", "f1", "undone", "wait")
    work_off()
    output_of("cancel", "f1", "--reason", "storm", "--compensate")
    work_off()

    assert output_of("retry", "f1", "undone") == "f1: 1 of step undone tried at once\n"


def _does(_inputs: object) -> None:
    return None


def _can_never_undo(_inputs: object) -> None:
    raise ValueError("it has sailed")


def _does_not_undo(_inputs: object) -> None:
    raise callables.TryAgain("busy")


@pytest.mark.parametrize("action", ["show", "events", "replay"])
def test_says_that_a_flow_is_not_there(action: str) -> None:
    with pytest.raises(CommandError, match="flow not found: none"):
        output_of(action, "none")


@pytest.mark.parametrize(
    ("init", "says"),
    [("n", "is not NAME=VALUE"), (f"n={DEEP}", "the value of n is nested too deep")],
)
def test_refuses_an_init_that_is_none(init: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        output_of("plan", "add", "--init", init)


def _waits() -> None:
    document = {
        "id": "wait",
        "name": "Wait",
        "type": "wait",
        "wait": {"event": "booking.completed"},
    }
    speed = {"attributes": {"speed": {"role": "output"}}}
    services.register_step(step=step_from_json({**document, **speed}))
    output_of("start", "f2", "wait")


def test_operates_on_a_flow_and_says_how_it_stands() -> None:
    _waits()

    assert output_of("pause", "f2", "--reason", "storm") == "f2: active, paused\n"
    assert output_of("resume", "f2") == "f2: active\n"
    assert output_of("force", "f2", "wait", "--output", "speed=9") == "f2: completed\n"
    assert "step_completed" in output_of("why", "f2", "wait")
    assert output_of("fork", "f2", "wait", "f3") == "f3: active\n"
    with pytest.raises(CommandError, match="step wait of flow f3 waits for no retry"):
        output_of("retry", "f3", "wait")
    assert output_of("skip", "f3", "wait", "--reason", "no need") == "f3: completed\n"
    output_of("fork", "f2", "wait", "f4")
    assert output_of("cancel", "f4", "--reason", "no wind", "--compensate") == "f4: failed\n"


def test_plans_with_the_approvals_of_children_too() -> None:
    for document in (
        {"id": "sign", "name": "Sign", "type": "approval"},
        {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["sign"]}},
    ):
        services.register_step(step=step_from_json(document))

    assert output_of("plan", "outer") == (
        "runs     outer\n"
        "approve  outer/sign\n"
        "fails    outer/sign: no approval policy subject-approval is in force\n"
    )


def test_plans_with_what_the_flows_of_flow_steps_will_lack() -> None:
    for document in (
        script("say", "{:said word}", word="required", said="output"),
        {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["say"]}},
    ):
        services.register_step(step=step_from_json(document))

    assert output_of("plan", "outer") == ("runs     outer\nfails    outer: its flow lacks word\n")
    output_of("start", "f5", "outer")
    work_off()
    assert "required inputs not provided: [word]" in output_of("show", "f5")


def test_registers_and_removes_steps(tmp_path: Path) -> None:
    document = {"id": "sign", "name": "Sign", "type": "approval"}
    (tmp_path / "step.json").write_text(json.dumps(document))

    assert output_of("register", str(tmp_path / "step.json")) == "sign: registered\n"
    assert output_of("register", str(tmp_path / "step.json")) == "sign: replaced\n"
    assert output_of("steps").splitlines() == ["script     add", "approval   sign"]
    assert output_of("unregister", "sign") == "sign: unregistered\n"


def test_declares_switches_and_removes_starts() -> None:
    shown = "nightly: add at 0 3 * * * in Europe/Berlin"
    rule = ("--cron", "0 3 * * *", "--tz", "Europe/Berlin", "--init", "n=1")

    assert output_of("declare", "nightly", "add", *rule) == f"{shown}\n"
    assert output_of("disable", "nightly") == f"{shown}, off\n"
    assert output_of("starts") == f"{shown}, off\n"
    assert output_of("enable", "nightly", "--reason", "Over") == f"{shown}\n"
    assert Entry.objects.get(action_name="flow_start.enable").reason == "Over"
    assert [line.split()[1] for line in output_of("occasions", "nightly").splitlines()] == [
        "declared",
        "declared",
        "declared",
    ]
    assert output_of("remove", "nightly") == "nightly: removed\n"


def test_starts_with_labels_and_options_and_lists_by_them() -> None:
    output_of("start", "f1", "add", "--init", "n=1", "--label", "env=prod", "--compensate")
    output_of("start", "f2", "add", "--init", "n=1", "--timeout-ms", "60000")

    assert output_of("list", "--label", "env=prod").split()[1:3] == ["completed", "f1"]
    assert len(output_of("list", "--goal", "add").splitlines()) == 2
    assert output_of("list", "--goal", "nothing") == ""
    found = explain.reached("f1").flow
    assert (found.labels, found.options) == ({"env": "prod"}, {"compensate": True})
    assert explain.reached("f2").flow.options == {"timeout_ms": 60_000}


def test_shows_when_it_wakes_up_its_children_and_what_was_asked() -> None:
    for document in (
        {"id": "nap", "name": "Nap", "type": "wait", "wait": {"for_ms": 3_600_000}},
        {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["nap"]}},
    ):
        services.register_step(step=step_from_json(document))
    output_of("start", "f3", "outer")
    runner.work_off(worker="test", kinds=["flow.invoke"])
    runner.work_off(worker="test", kinds=["flow.invoke"])

    shown = output_of("show", "f3")

    assert "Step outer waits for its child flow: step nap waits until 20" in shown
    assert "Next wake-up: " in shown
    assert "  child  f3:outer:" in shown

"""The subcommands of `manage.py flows` that act on flows, steps and starts: one call down each."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workflows.flows import services
from workflows.flows.domain.decide import NothingToRetry
from workflows.flows.domain.start import StartUnknown
from workflows.flows.domain.step import Script
from workflows.flows.domain.step_json import strict_step_from_json
from workflows.flows.domain.times import written
from workflows.flows.execution import engine
from workflows.flows.explanations import explain
from workflows.flows.models import FlowStart
from workflows.flows.triggers import occasions, starts
from workflows.work.domain.timing import Missed

Lines = Iterator[str]


def named(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; a value that is no JSON is a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
    except RecursionError as error:
        raise argparse.ArgumentTypeError(f"the value of {name} is nested too deep") from error


def collected(init: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    """Return the values by attribute; a name that was given twice has two."""
    values: dict[str, list[Any]] = {}
    for name, value in init:
        values.setdefault(name, []).append(value)
    return values


def at_least_one(text: str) -> int:
    """Read a number that counts something."""
    try:
        number = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def document(path: str) -> dict[str, Any]:
    """Read the JSON object in a file."""
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{path} is not JSON: {error}") from error
    except RecursionError as error:
        raise argparse.ArgumentTypeError(f"{path} is nested too deep") from error
    if not isinstance(read, dict):
        raise argparse.ArgumentTypeError(f"{path} is no JSON object")
    return read


def not_blank(text: str) -> str:
    """Read a text that says something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it says nothing")
    return text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what may be said of any flow that is to start."""
    parser.add_argument("--label", type=labelled, action="append", default=[], help="KEY=VALUE")
    parser.add_argument(
        "--compensate", action="store_true", help="undo completed steps if the flow fails"
    )
    parser.add_argument("--timeout-ms", type=at_least_one)
    parser.add_argument("--concurrency-key", help="one active flow per key")


def labelled(text: str) -> tuple[str, str]:
    """Read KEY=VALUE as text."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def parsed_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return, and take out of `options`, labels and options as the services take them."""
    labels = dict(options.pop("label"))
    given = {name: options.pop(name) for name in ("compensate", "timeout_ms", "concurrency_key")}
    return {"labels": labels, "options": {name: value for name, value in given.items() if value}}


def add_parsers(actions: Any) -> None:
    """Add a parser for each of these actions."""
    for name, help_, has_step in (
        ("pause", "let nothing new of a flow start; its child flows go on", False),
        ("resume", "resume a paused flow", False),
        ("cancel", "end a flow, and undo what it did or not", False),
        ("skip", "do without a step", True),
        ("force", "say that a step is done, and what it gave", True),
        ("retry", "try what waits for a retry at once", True),
        ("fork", "start a flow anew from a step", True),
    ):
        parser = actions.add_parser(name, help=help_)
        parser.add_argument("flow_id")
        if has_step:
            parser.add_argument("step_id")
        if name in {"pause", "cancel", "skip"}:
            parser.add_argument("--reason", type=not_blank, required=True)
        else:
            parser.add_argument("--reason", default="")
        if name == "cancel":
            parser.add_argument(
                "--compensate",
                action=argparse.BooleanOptionalAction,
                help="undo what its steps did; if not said, as it was started to",
            )
        if name == "force":
            parser.add_argument("--output", type=named, action="append", default=[])
        if name == "fork":
            parser.add_argument("new_flow_id")
            parser.add_argument("--init", type=named, action="append", default=[])
    why = actions.add_parser("why", help="what decided how a step of a flow stands")
    why.add_argument("flow_id")
    why.add_argument("step_id")
    _add_parsers_of_steps(actions)
    _add_parsers_of_starts(actions)


def _add_parsers_of_steps(actions: Any) -> None:
    actions.add_parser("steps", help="the registered steps")
    register = actions.add_parser("register", help="register or replace the step of a JSON file")
    register.add_argument("file", type=document, help="a definition as JSON")
    actions.add_parser("unregister", help="take a step out of the catalog").add_argument("step_id")


def _add_parsers_of_starts(actions: Any) -> None:
    actions.add_parser("starts", help="when flows start by themselves")
    declare = actions.add_parser("declare", help="declare when flows start by themselves")
    declare.add_argument("name")
    declare.add_argument("goals", nargs="+")
    declare.add_argument("--init", type=named, action="append", default=[])
    cause = declare.add_mutually_exclusive_group(required=True)
    cause.add_argument("--cron", default="")
    cause.add_argument("--event", default="")
    add_options(declare)
    declare.add_argument("--tz", default="UTC")
    declare.add_argument("--missed", choices=[one.value for one in Missed], default="skip")
    declare.add_argument("--take", type=named, action="append", default=[], help="NAME=JPATH")
    declare.add_argument("--filter", help="a JPath condition on the event's data")
    for name in ("enable", "disable", "remove"):
        parser = actions.add_parser(name, help=f"{name} a start")
        parser.add_argument("name")
        parser.add_argument("--reason", default="")
    occasions_ = actions.add_parser("occasions", help="what happened to a start, the newest first")
    occasions_.add_argument("name")


def _pause(*, flow_id: str, reason: str) -> Lines:
    yield _stands(services.pause_flow(flow_id=flow_id, reason=reason))


def _resume(*, flow_id: str, reason: str) -> Lines:
    yield _stands(services.resume_flow(flow_id=flow_id, reason=reason))


def _cancel(*, flow_id: str, reason: str, compensate: bool | None) -> Lines:
    yield _stands(services.cancel_flow(flow_id=flow_id, reason=reason, compensates=compensate))


def _skip(*, flow_id: str, step_id: str, reason: str) -> Lines:
    yield _stands(services.skip_step(flow_id=flow_id, step_id=step_id, reason=reason))


def _force(*, flow_id: str, step_id: str, output: list[tuple[str, Any]], reason: str) -> Lines:
    flow = services.force_step(
        flow_id=flow_id, step_id=step_id, outputs=dict(output), reason=reason
    )
    yield _stands(flow)


def _retry(*, flow_id: str, step_id: str, reason: str) -> Lines:
    waiting = explain.retrying(flow_id, step_id)
    if not waiting:
        raise NothingToRetry(flow_id, step_id)
    for token in waiting:
        services.retry_now(flow_id=flow_id, step_id=step_id, token=token, reason=reason)
    yield f"{flow_id}: {len(waiting)} of step {step_id} tried at once"


def _fork(
    *, flow_id: str, step_id: str, new_flow_id: str, init: list[tuple[str, Any]], reason: str
) -> Lines:
    flow = services.fork_flow(
        flow_id=flow_id,
        new_flow_id=new_flow_id,
        from_step=step_id,
        init=collected(init),
        reason=reason,
    )
    yield _stands(flow)


def _why(*, flow_id: str, step_id: str) -> Lines:
    found = explain.why(flow_id, step_id)
    yield f"{flow_id}/{step_id}: {found.status}"
    for event in [*found.causes, *([found.decided_by] if found.decided_by else [])]:
        yield f"  {event.sequence:4}  {event.name}  {json.dumps(event.data)}"


def _steps() -> Lines:
    for step in engine.catalog().steps.values():
        yield f"{step.type:9}  {step.id}"


def _register(*, file: dict[str, Any]) -> Lines:
    step = strict_step_from_json(file)
    is_known = step.id in engine.catalog().steps
    (services.update_step if is_known else services.register_step)(step=step)
    yield f"{step.id}: {'replaced' if is_known else 'registered'}"


def _unregister(*, step_id: str) -> Lines:
    services.unregister_step(step_id=step_id)
    yield f"{step_id}: unregistered"


def _starts() -> Lines:
    for start in FlowStart.objects.order_by("name"):
        yield _when(start)


def _declare(
    *,
    name: str,
    goals: list[str],
    init: list[tuple[str, Any]],
    take: list[tuple[str, Any]],
    filter: str | None,  # noqa: A002 (the word of the contract)
    **rule: Any,
) -> Lines:
    start = starts.declare_start(
        name=name,
        goals=goals,
        init=collected(init),
        takes=dict(take),
        filter=Script(language="jpath", text=filter) if filter else None,
        **parsed_options(rule),
        **rule,
    )
    yield _when(start)


def _enable(*, name: str, reason: str) -> Lines:
    yield _when(starts.set_start_enabled(name=name, enabled=True, reason=reason))


def _disable(*, name: str, reason: str) -> Lines:
    yield _when(starts.set_start_enabled(name=name, enabled=False, reason=reason))


def _remove(*, name: str, reason: str) -> Lines:
    starts.remove_start(name=name, reason=reason)
    yield f"{name}: removed"


def _occasions(*, name: str) -> Lines:
    lines = occasions.occasions(name).lines
    # What was removed still has its story.
    if not lines and not FlowStart.objects.filter(name=name).exists():
        raise StartUnknown(name)
    for line in lines:
        status = f"{line.flow.status}  " if line.flow else ""
        yield f"{written(line.at)}  {line.what:9}  {line.flow_id}  {status}{line.says}".rstrip()


def _stands(flow: Any) -> str:
    return f"{flow.id}: {flow.status.value}{', paused' if flow.is_paused else ''}"


def _when(start: FlowStart) -> str:
    cause = f"on {start.event}" if start.event else f"at {start.cron} in {start.tz}"
    stands = f", paused: {start.paused_because}" if start.paused_because else ", off"
    return f"{start.name}: {', '.join(start.goals)} {cause}{'' if start.enabled else stands}"


ACTIONS: dict[str, Callable[..., Lines]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "skip": _skip,
    "force": _force,
    "retry": _retry,
    "fork": _fork,
    "why": _why,
    "steps": _steps,
    "register": _register,
    "unregister": _unregister,
    "starts": _starts,
    "declare": _declare,
    "enable": _enable,
    "disable": _disable,
    "remove": _remove,
    "occasions": _occasions,
}
"""Each yields what there is to say of it."""

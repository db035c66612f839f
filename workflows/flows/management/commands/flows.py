"""`manage.py flows`: list, show, plan, start, events and replay, for whoever has a shell."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events import selectors as log
from events.domain.errors import DomainError
from workflows.flows import explain, listing, services
from workflows.flows.aggregates import stream_of
from workflows.flows.domain import snapshot
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.times import written

LISTED = 50


class Command(BaseCommand):
    help = "List, show, plan, start and replay flows."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listed = actions.add_parser("list", help="the flows that started last")
        listed.add_argument("--status", choices=["active", "completed", "failed"])
        listed.add_argument("--limit", type=int, default=LISTED)
        shown = actions.add_parser("show", help="how a flow stands, and what it waits for")
        shown.add_argument("flow_id")
        shown.add_argument("--at", type=int, help="as it was after this sequence")
        planned = actions.add_parser("plan", help="what a flow would do; nothing is kept")
        started = actions.add_parser("start", help="start a flow")
        started.add_argument("flow_id")
        ran = actions.add_parser("run", help="start a flow and do its steps in this process")
        ran.add_argument("flow_id")
        for each in (planned, started, ran):
            each.add_argument("goals", nargs="+")
            each.add_argument("--init", type=_named, action="append", default=[])
        for name, help_ in (
            ("events", "all that happened in a flow, one JSON object per line"),
            ("replay", "fold the events anew, and compare with the state that is kept"),
        ):
            actions.add_parser(name, help=help_).add_argument("flow_id")

    def handle(self, *_args: Any, action: str, **options: Any) -> None:
        actions: dict[str, Callable[..., None]] = {
            "list": self._list,
            "show": self._show,
            "plan": self._plan,
            "start": self._start,
            "run": self._run,
            "events": self._events,
            "replay": self._replay,
        }
        known = {"status", "limit", "flow_id", "at", "goals", "init"} & options.keys()
        try:
            actions[action](**{name: options[name] for name in known})
        except DomainError as refusal:
            raise CommandError(f"{refusal} {refusal.hint}".strip()) from refusal

    def _list(self, *, status: str | None, limit: int) -> None:
        rows = listing.roots().order_by("-started_at", "-flow_id")
        for row in rows.filter(**({"status": status} if status else {}))[:limit]:
            goals = ", ".join(row.goals)
            self.stdout.write(f"{written(row.started_at)}  {row.status:9}  {row.flow_id}  {goals}")

    def _show(self, *, flow_id: str, at: int | None) -> None:
        found = explain.reached(flow_id, at=at)
        flow = found.flow
        paused = ", paused" if flow.is_paused else ""
        self.stdout.write(f"{flow.id}: {flow.status.value}{paused} at sequence {found.sequence}")
        for step_id, execution in flow.executions.items():
            error = f"  {execution.error}" if execution.error else ""
            self.stdout.write(f"  {execution.status.value:9}  {step_id}{error}")
        for name, values in flow.attributes.items():
            self.stdout.write(f"  {name} = {', '.join(json.dumps(one.value) for one in values)}")
        waits = explain.waiting(flow) if at is None else None
        if waits is not None:
            self.stdout.write(f"  {waits.sentence}")

    def _plan(self, *, goals: list[str], init: list[tuple[str, Any]]) -> None:
        values = _collected(init)
        plan = services.preview_plan(goals=goals, init=values)
        for step_id in plan.steps:
            self.stdout.write(f"runs     {step_id}")
        for name in plan.required:
            if not values.get(name):
                self.stdout.write(f"missing  {name}")
        expected = explain.estimated_ms(plan, explain.durations())
        if expected is not None:
            self.stdout.write(f"takes    about {expected} ms")

    def _start(self, *, flow_id: str, goals: list[str], init: list[tuple[str, Any]]) -> None:
        flow = services.start_flow(flow_id=flow_id, goals=goals, init=_collected(init))
        self.stdout.write(f"{flow.id}: {flow.status.value}")

    def _run(self, *, flow_id: str, goals: list[str], init: list[tuple[str, Any]]) -> None:
        flow = services.run_flow(flow_id=flow_id, goals=goals, init=_collected(init))
        self.stdout.write(f"{flow.id}: {flow.status.value}")

    def _events(self, *, flow_id: str) -> None:
        explain.reached(flow_id)
        for event in log.stream_events(stream_of(flow_id)):
            self.stdout.write(json.dumps(event.as_json(), separators=(",", ":")))

    def _replay(self, *, flow_id: str) -> None:
        kept = explain.reached(flow_id)
        anew = explain.reached(flow_id, at=kept.sequence)
        if _document(kept.flow) != _document(anew.flow):
            raise CommandError(f"{flow_id}: what is kept is not what its events say.")
        self.stdout.write(f"{flow_id}: {anew.sequence} events say what is kept")


def _document(flow: Flow) -> dict[str, Any]:
    return snapshot.dump(flow)


def _named(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # A bare word is a text.


def _collected(init: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for name, value in init:
        values.setdefault(name, []).append(value)
    return values

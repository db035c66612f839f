"""`manage.py flows`: show flows, start them and operate on them from a shell."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events import selectors as log
from events.domain.errors import DomainError
from workflows.flows import selectors, services
from workflows.flows.argyll import listing
from workflows.flows.domain import snapshot
from workflows.flows.domain.times import written
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.explanations import explain, why_waiting
from workflows.flows.management import operating
from workflows.flows.management.operating import (
    add_options,
    at_least_one,
    collected,
    labelled,
    named,
    parsed_options,
)
from workflows.flows.models import FlowSummary

LISTED = 50

_OF_DJANGO = frozenset(
    {
        "verbosity",
        "settings",
        "pythonpath",
        "traceback",
        "no_color",
        "force_color",
        "skip_checks",
        "stdout",
        "stderr",
    }
)


class Command(BaseCommand):
    help = "Look at flows, start them, and operate on flows, steps and starts."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listed = actions.add_parser("list", help="the flows that started last")
        listed.add_argument("--status", choices=["active", "completed", "failed"])
        listed.add_argument("--goal")
        listed.add_argument("--label", type=labelled, help="KEY=VALUE")
        listed.add_argument("--limit", type=at_least_one, default=LISTED)
        shown = actions.add_parser("show", help="how a flow stands, and what it waits for")
        shown.add_argument("flow_id")
        shown.add_argument("--at", type=at_least_one, help="as it was after this sequence")
        planned = actions.add_parser("plan", help="what a flow would do; nothing is kept")
        started = actions.add_parser("start", help="start a flow")
        started.add_argument("flow_id")
        ran = actions.add_parser("run", help="start a flow and do its steps in this process")
        ran.add_argument("flow_id")
        for each in (planned, started, ran):
            each.add_argument("goals", nargs="+")
            each.add_argument("--init", type=named, action="append", default=[])
        for each in (started, ran):
            add_options(each)
        for name, help_ in (
            ("events", "all that happened in a flow, one JSON object per line"),
            ("replay", "fold the events anew, and compare with the state that is kept"),
        ):
            actions.add_parser(name, help=help_).add_argument("flow_id")
        operating.add_parsers(actions)

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
        own = {name: options[name] for name in options.keys() - _OF_DJANGO}
        try:
            if action in actions:
                actions[action](**own)
                return
            self._write(operating.ACTIONS[action](**own))
        except DomainError as refusal:
            raise CommandError(refusal.sentences) from refusal

    def _list(
        self, *, status: str | None, goal: str | None, label: tuple[str, str] | None, limit: int
    ) -> None:
        wanted = {
            "status": status,
            "goals__contains": [goal] if goal else None,
            "labels__contains": dict([label]) if label else None,
        }
        rows = listing.roots().order_by("-started_at", "-flow_id")
        found = rows.filter(**{name: value for name, value in wanted.items() if value})[:limit]
        self._write(_line_of(row) for row in found)

    def _write(self, lines: Iterable[str]) -> None:
        is_any = False
        for line in lines:
            self.stdout.write(line)
            is_any = True
        if not is_any:
            self.stderr.write(
                "There are none."
            )  # Who reads the output as a list gets an empty one.

    def _show(self, *, flow_id: str, at: int | None) -> None:
        found = explain.reached(flow_id, at=at)
        flow = found.flow
        paused = ", paused" if flow.is_paused else ""
        self.stdout.write(f"{flow.id}: {flow.status.value}{paused} at sequence {found.sequence}")
        for step_id, execution in flow.executions.items():
            error = f"  {why_waiting.in_one_line(execution.error)}" if execution.error else ""
            self.stdout.write(f"  {execution.status.value:9}  {step_id}{error}")
        for step_id in flow.not_undone:
            self.stdout.write(f"  not undone: what {step_id} did")
        for name, values in flow.attributes.items():
            self.stdout.write(f"  {name} = {', '.join(json.dumps(one.value) for one in values)}")
        waits = why_waiting.waiting(flow) if at is None else None
        if waits is not None:
            self.stdout.write(f"  {waits.sentence}")
            if waits.next_at is not None:
                self.stdout.write(f"  Next wake-up: {written(waits.next_at)}")
        children = selectors.children_of(flow_id)
        for child in children:
            self.stdout.write(f"  child  {child.flow_id}  {child.status}")
        if len(children) == selectors.CHILDREN_SHOWN_MAX:
            self.stdout.write(f"  of {selectors.count_children(flow_id)} child flows")
        for asked in selectors.requests_of(flow):
            self.stdout.write(f"  approval  {asked.approval_id}  {asked.status}")

    def _plan(self, *, goals: list[str], init: list[tuple[str, Any]]) -> None:
        found = explain.preview(goals, collected(init))
        for step_id in found.plan.steps:
            self.stdout.write(f"runs     {step_id}")
        for name in found.missing:
            self.stdout.write(f"missing  {name}")
        for step_id in found.unhealthy:
            self.stdout.write(f"sick     {step_id}")
        for step_id, names in found.child_lacks.items():
            self.stdout.write(f"fails    {step_id}: its flow lacks {', '.join(names)}")
        for step_id in found.approvals:
            self.stdout.write(f"approve  {step_id}")
        for step_id, reason in found.unaskable.items():
            self.stdout.write(f"fails    {step_id}: {reason}")
        for step_id, names in found.unregistered.items():
            self.stdout.write(f"waits    {step_id}: no worker here knows {', '.join(names)}")
        if found.estimated_ms is not None:
            self.stdout.write(f"takes    about {found.estimated_ms} ms")

    def _start(
        self, *, flow_id: str, goals: list[str], init: list[tuple[str, Any]], **options: Any
    ) -> None:
        flow = services.start_flow(
            flow_id=flow_id, goals=goals, init=collected(init), **parsed_options(options)
        )
        self.stdout.write(f"{flow.id}: {flow.status.value}")

    def _run(
        self, *, flow_id: str, goals: list[str], init: list[tuple[str, Any]], **options: Any
    ) -> None:
        flow = services.run_flow(
            flow_id=flow_id, goals=goals, init=collected(init), **parsed_options(options)
        )
        self.stdout.write(f"{flow.id}: {flow.status.value}")

    def _events(self, *, flow_id: str) -> None:
        explain.reached(flow_id)
        for event in log.stream_events(stream_of(flow_id)):
            self.stdout.write(json.dumps(event.as_json(), separators=(",", ":")))

    def _replay(self, *, flow_id: str) -> None:
        kept = explain.reached(flow_id)
        anew = explain.replayed(flow_id, until=kept.sequence)
        if snapshot.dump(kept.flow) != snapshot.dump(anew):
            raise CommandError(f"{flow_id}: what is kept is not what its events say.")
        self.stdout.write(f"{flow_id}: {kept.sequence} events say what is kept")


def _line_of(row: FlowSummary) -> str:
    state = "paused" if row.is_paused and row.status == "active" else row.status
    return f"{written(row.started_at)}  {state:9}  {row.flow_id}  {', '.join(row.goals)}"

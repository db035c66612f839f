"""Flows for the pages of flows to show, and how the tests read those pages."""

import html
import json
import re
from typing import Any

from workflows.flows import services
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.steps import callables
from workflows.work import runner

READERS = ("flow.read", "step.read")
OPERATORS = (*READERS, "flow.pause", "flow.cancel", "flow.intervene", "flow.fork", "flow.start")
HOSTILE = "</script><script>alert(1)</script>\u202e"


def _hold(_inputs: Any) -> dict[str, str]:
    return {"seat": "12A"}


def _try_again(_inputs: Any) -> None:
    raise callables.TryAgain("the till is closed")


def _fail(_inputs: Any) -> None:
    raise ValueError(HOSTILE)


FUNCTIONS = {"hold": _hold, "pay": _try_again, "fail": _fail}


def register(id_: str, **attributes: str) -> None:
    document = {
        "id": id_,
        "name": id_,
        "type": "python",
        "python": {"callable": id_ if id_ in FUNCTIONS else "hold"},
        "attributes": {name: {"role": role} for name, role in attributes.items()},
    }
    services.register_step(step=step_from_json(document))


def start(flow_id: str, *goals: str, **init: Any) -> None:
    services.start_flow(
        flow_id=flow_id, goals=goals, init={key: [value] for key, value in init.items()}
    )
    while runner.work_off(worker="test", kinds=["flow.invoke"]):
        pass


def part(page: str, name: str) -> str:
    """The text of one part, blanks as one."""
    _, _, rest = page.partition(f'data-part="{name}"')
    text = re.sub(r"<[^>]*>", " ", rest.partition("data-part=")[0].partition(">")[2])
    return re.sub(r"\s+", " ", html.unescape(text))


def graph_of(page: str) -> dict[str, str]:
    """The tone of each node."""
    found = re.search(r'data-graph-source="([^"]*)"', page)
    assert found is not None
    nodes = json.loads(html.unescape(found[1]))["nodes"]
    return {node["id"]: node["tone"] for node in nodes}


def flow(flow_id: str) -> Flow:
    found = engine.flow(flow_id)
    assert found is not None
    return found

"""A graph of a thousand steps is drawn while somebody still waits for it."""

from typing import Any

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse

pytestmark = IN_A_BROWSER

LAYERS, OF_EACH, FED_BY = 60, 30, 3
DRAWN_MS_MAX = 30_000
"""On a machine that is busy; a layout that compares all with all takes minutes there."""
DRAW = """async ([nodes, edges]) => {
  const { StepGraph } = await import("/static/console/js/graph.js");
  const holder = document.createElement("div");
  Object.assign(holder.style, { width: "900px", height: "500px", overflow: "auto" });
  document.querySelector("main").append(holder);
  const began = performance.now();
  const graph = new StepGraph(holder, { onPick() {} });
  graph.show({ nodes, edges });
  const places = Object.fromEntries(graph.nodes.map(({ id, position }) => [id, position]));
  return { took: performance.now() - began, places };
}"""


def test_of_a_thousand_steps_is_laid_out_in_layers_at_once(browse: Browse, stack: Stack) -> None:
    assert stack
    names = [[f"{layer}-{place}" for place in range(OF_EACH)] for layer in range(LAYERS)]
    edges = [
        edge(names[layer - 1][(place + beside) % OF_EACH], name)
        for layer, row in enumerate(names[1:], start=1)
        for place, name in enumerate(row)
        for beside in range(FED_BY)
    ]
    with browse() as tab:
        tab.log_in()
        tab.open("/flows/steps")

        drawn = tab.page.evaluate(DRAW, [[node(name) for row in names for name in row], edges])

    places = {name: (at["x"], at["y"]) for name, at in drawn["places"].items()}
    assert len(set(places.values())) == LAYERS * OF_EACH
    across = len({x for x, _ in places.values()}) == LAYERS
    along = [[places[name][0 if across else 1] for name in row] for row in names]
    assert all(len(set(row)) == 1 for row in along), "those of one layer stand side by side"
    assert sorted(along) == along, "whoever is fed stands behind"
    assert drawn["took"] < DRAWN_MS_MAX


def node(name: str) -> dict[str, Any]:
    at = {"id": name, "kind": "step", "key": name, "label": name}
    return {**at, "note": "", "tone": "mute", "marks": []}


def edge(source: str, target: str) -> dict[str, Any]:
    at = {"id": f"{source}>{target}", "source": source, "target": target}
    return {**at, "optional": False, "out": False}

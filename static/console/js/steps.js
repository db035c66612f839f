// The catalogue: a click in the graph does what the button in the table does, and what was
// filled into the form stays there while the plan changes.

import { load } from "./parts.js";
import { StepGraph } from "./graph.js";
import { watch } from "./watch.js";

const holder = document.querySelector("[data-graph]");
const graph = holder && new StepGraph(holder, { onPick: toggle });

function toggle(kind, key) {
  const link = document.querySelector(`[data-toggle="${CSS.escape(`${kind}:${key}`)}"]`);
  if (link) go(link.href);
}

async function go(address) {
  history.pushState(null, "", address);
  await show().catch(() => location.reload());
}

async function show() {
  if (await load(location.href, { keep })) draw();
}

function keep() {
  const filled = valuesOf(document.querySelector("[data-start]"));
  return () => fill(document.querySelector("[data-start]"), filled);
}

function draw() {
  graph.show(JSON.parse(document.querySelector("[data-graph-source]").dataset.graphSource));
}

function valuesOf(form) {
  const fields = [...(form?.elements ?? [])].filter((field) => field.name && field.type !== "hidden");
  return fields.filter((field) => isChanged(field))
    .map((field) => [field.name, field.type === "checkbox" ? field.checked : field.value]);
}

function isChanged(field) {
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") return field.selectedIndex > 0;
  return field.value !== field.defaultValue;
}

function fill(form, values) {
  for (const [name, value] of values) {
    const field = form?.elements[name];
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
  }
}

document.addEventListener("click", (event) => {
  const zoom = event.target.closest("[data-zoom]")?.dataset.zoom;
  if (zoom === "fit") graph.fit();
  else if (zoom) graph.zoom(zoom === "in" ? 1.25 : 0.8);
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("a[data-go]");
  if (!link) return;
  event.preventDefault();
  go(link.href);
});

addEventListener("popstate", () => show().catch(() => location.reload()));

if (graph && !document.querySelector("[data-start] .errorlist")) {
  watch({ streams: [["catalog"], ["cluster"]], refresh: show });
}
if (graph) {
  draw();
  holder.graph = graph;
}

// One flow: the graph, the time slider, and one thing picked everywhere at once. Every state of
// the page is an address that the server can write; the script only goes there without leaving.

import { load } from "./parts.js";
import { StepGraph } from "./graph.js";
import { watch } from "./watch.js";
import { isTyping, startCountdowns } from "./times.js";

const PLAY_MS = 700;

const graph = new StepGraph(document.querySelector("[data-graph]"), {
  onPick: (kind, key) => go(addressWith({ step: null, attribute: null, event: null, items: null, [kind]: key })),
});
let playing = null;
let isSliding = false;
let wanted = null;

/** Show another address of this page: `keep` replaces the entry of the browser's history. */
async function go(address, { keep = false } = {}) {
  const url = new URL(address, location.href);
  if (url.href !== location.href) history[keep ? "replaceState" : "pushState"](null, "", url);
  await show();
}

async function show() {
  if (await load(location.href)) draw();
}

function draw() {
  const source = document.querySelector("[data-graph-source]");
  graph.show(JSON.parse(source.dataset.graphSource), source.dataset.picked);
  showPlaying();
}

function time() {
  const { at, head, over } = document.querySelector("[data-time]").dataset;
  return { at: at ? Number(at) : null, head: Number(head), isOver: over === "yes" };
}

function addressWith(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

// The time slider: every input moves the page, the newest wins. A slider that is held by the
// pointer is not written anew until it is let go.

document.addEventListener("pointerdown", (event) => {
  const form = event.target.closest?.("[data-time]");
  if (form && event.target.matches("[name=at]")) form.dataset.held = "";
});

for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => {
    const form = document.querySelector("[data-time][data-held]");
    if (!form) return;
    delete form.dataset.held;
    if (!isSliding) show().catch(() => {});
  });
}

document.addEventListener("input", async (event) => {
  if (!event.target.matches("[data-time] [name=at]")) return;
  stop();
  wanted = Number(event.target.value);
  if (isSliding) return;
  isSliding = true;
  let shown = null;
  while (shown !== wanted) {
    shown = wanted;
    const at = shown >= time().head ? null : shown;
    await go(addressWith({ at, event: null }), { keep: true }).catch(() => {});
  }
  isSliding = false;
});

async function play() {
  const mine = (playing = {});
  showPlaying();
  // From the beginning, if it is not shown in the past already.
  if (time().at === null) await go(addressWith({ at: 1, event: null }), { keep: true }).catch(() => {});
  // One after the other: what is asked for before an answer has come takes the answer's place.
  while (playing === mine) {
    await new Promise((resolve) => setTimeout(resolve, PLAY_MS));
    if (playing !== mine) return;
    const now = time();
    const next = (now.at ?? now.head) + 1;
    await go(addressWith({ at: next >= now.head ? null : next, event: null }), { keep: true }).catch(() => {});
    if (playing === mine && next >= time().head) stop();
  }
}

function stop() {
  playing = null;
  showPlaying();
}

function showPlaying() {
  const button = document.querySelector("[data-play]");
  if (!button) return;
  button.querySelector("[data-of=play-name]").textContent = playing ? "Stop" : "Play";
  const icon = button.querySelector("use");
  icon.setAttribute("href", `${icon.getAttribute("href").split("#")[0]}#${playing ? "pause" : "play"}`);
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  if (event.target.closest("[data-play]")) {
    if (playing) stop();
    else play();
    return;
  }
  const zoom = event.target.closest("[data-zoom]")?.dataset.zoom;
  if (zoom === "fit") graph.fit();
  else if (zoom) graph.zoom(zoom === "in" ? 1.25 : 0.8);
  const link = event.target.closest("a[data-pick]");
  if (!link) return;
  event.preventDefault();
  if (link.closest("[data-time]")) stop();
  go(link.href).catch(() => location.assign(link.href));
});

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.target.closest?.("[data-graph]")) return;
  const selector = { ArrowLeft: "[data-back]", ArrowRight: "[data-on]", n: "[data-now]" }[event.key];
  const link = selector && document.querySelector(selector);
  if (!link) return;
  event.preventDefault();
  link.click();
});

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-time]")) event.preventDefault();
});

addEventListener("popstate", () => show().catch(() => location.reload()));

draw();
startCountdowns();
// While the past is shown, only the length of the slider changes.
if (!time().isOver) {
  const { id } = document.querySelector("[data-time]").dataset;
  watch({ streams: [["flow", id]], refresh: async () => { if (!playing && !isSliding) await show(); } });
}
// What the graph shows can be asked of the page; nothing else here is of use to others.
document.querySelector("[data-graph]").graph = graph;

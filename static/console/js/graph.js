// A graph of steps and attributes on a canvas. It is laid out once for its nodes; what changes
// later changes colours and notes only, so that nothing moves under the eye. The canvas says
// nothing that the tables of the page do not say in words. A graph that is larger than its place
// keeps letters that can be read: the place scrolls, as everything does, by wheel, finger or drag.

import cytoscape from "../../vendor/cytoscape/cytoscape.esm.min.js";
import { Graph, layout } from "../../vendor/dagre/dagre.esm.min.js";
import { layered } from "./layers.js";

const TONES = ["ok", "run", "wait", "bad", "dead", "mute"];
const TOKENS = ["surface", "ink", "ink-soft", "ink-faint", "rule-strong", "control", "focus", "brand"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CHARACTER_PX = 7.4;
const FIT_PX = 18;
const ZOOM_MAX = 1.35;
const ZOOM_LEGIBLE = 0.8;
const ZOOM_LIMITS = [0.1, 2.5];
const NODES_FOR_DAGRE_MAX = 300; // It takes a second for so many, and half a minute for a thousand steps.

export class StepGraph {
  #holder;
  #stage;
  #extent;
  #says;
  #cy;
  #shape = "";
  #picked = "";
  #wasZoomed = false;
  #origin = { x: 0, y: 0 }; // Where the plane begins within what can be scrolled.
  #onPick;

  /** `onPick(kind, key)` is called for a node that was clicked or chosen by keyboard. */
  constructor(holder, { onPick }) {
    this.#holder = holder;
    this.#onPick = onPick;
    holder.hidden = false;
    // The stage stays where it is while what is beside it, as large as the graph, scrolls.
    [this.#stage, this.#extent] = ["canvas-stage", "canvas-extent"].map((name) => added(holder, name));
    this.#says = added(holder.parentElement, "visually-hidden");
    this.#says.setAttribute("role", "status");
    const isTouch = matchMedia("(pointer: coarse)").matches;
    this.#cy = cytoscape({
      container: this.#stage,
      style: styles(),
      layout: { name: "preset" },
      // A finger that scrolls the page must not be caught, nor a wheel.
      userPanningEnabled: !isTouch,
      userZoomingEnabled: false,
      autoungrabify: true,
      boxSelectionEnabled: false,
      minZoom: ZOOM_LIMITS[0],
      maxZoom: ZOOM_LIMITS[1],
    });
    this.#cy.on("dragpan", () => this.#dragged());
    holder.addEventListener("scroll", () => this.#pan());
    this.#cy.on("tap", "node", (event) => this.#pick(event.target));
    this.#cy.on("mouseover", "node", () => { holder.style.cursor = "pointer"; });
    this.#cy.on("mouseout", "node", () => { holder.style.cursor = ""; });
    holder.addEventListener("keydown", (event) => this.#keyed(event));
    new ResizeObserver(() => this.#resized()).observe(holder);
    const repaint = () => this.#cy.style(styles());
    new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  }

  /** Show `{nodes, edges}` with the node `picked` ("step:charge", or nothing) standing out. */
  show({ nodes, edges }, picked = "") {
    const shape = JSON.stringify([nodes.map((node) => node.id), edges.map((edge) => edge.id), this.#isNarrow()]);
    const isNew = shape !== this.#shape;
    if (isNew) this.#build(nodes, edges);
    this.#shape = shape;
    this.#cy.batch(() => {
      for (const node of nodes) this.#dress(this.#cy.getElementById(node.id), node, picked);
      for (const edge of edges) {
        const drawn = this.#cy.getElementById(edge.id);
        drawn.toggleClass("optional", edge.optional).toggleClass("out", edge.out);
        drawn.toggleClass("near", edge.source === picked || edge.target === picked);
      }
    });
    if (isNew) this.#reveal(this.#first());
    if (picked !== this.#picked) this.#point(picked);
    this.#holder.dataset.drawn = String(nodes.length);
  }

  /** Show all of it, however small. */
  fit() {
    this.#scale(this.#whole());
  }

  zoom(factor) {
    this.#wasZoomed = true;
    const room = this.#room();
    const middle = { x: room.width / 2, y: room.height / 2 };
    const [old, pan] = [this.#cy.zoom(), this.#cy.pan()];
    const at = { x: (middle.x - pan.x) / old, y: (middle.y - pan.y) / old };
    this.#scale(Math.min(Math.max(old * factor, ZOOM_LIMITS[0]), ZOOM_LIMITS[1]));
    this.#scrollTo(at);
  }

  /** Where nodes are and what they look like: for tests, and for who debugs a page. */
  get nodes() {
    return this.#cy.nodes().map((node) => ({
      id: node.id(), tone: node.data("tone"), note: node.data("note"), text: node.data("text"),
      classes: node.classes(), at: node.renderedPosition(), position: { ...node.position() },
    }));
  }

  /** How large letters are drawn, in pixels. */
  get letters() {
    return this.#cy.zoom() * this.#cy.nodes().first().numericStyle("font-size");
  }

  /** The colours of each node that is not drawn faintly, as JSON: [letters, ground]. */
  get colours() {
    const shown = this.#cy.nodes().filter((node) => !node.hasClass("out"));
    const pairs = shown.map((node) => [node.id(), [node.style("color"), node.style("background-color")]]);
    return JSON.stringify(Object.fromEntries(pairs));
  }

  #build(nodes, edges) {
    this.#fillRoom();
    const places = this.#bestPlaces(nodes, edges);
    this.#cy.elements().remove();
    this.#cy.add([
      ...nodes.map((node) => ({ group: "nodes", data: { id: node.id, ...sizeOf(node), ...dataOf(node) }, position: places.get(node.id) })),
      ...edges.map(({ id, source, target }) => ({ group: "edges", data: { id, source, target } })),
    ]);
    this.#wasZoomed = false;
    this.#scale(this.#legible());
  }

  #room() {
    return { width: this.#holder.clientWidth, height: this.#holder.clientHeight };
  }

  #whole() {
    const { width, height } = this.#room();
    const { w, h } = this.#cy.elements().boundingBox();
    return Math.min((width - 2 * FIT_PX) / w, (height - 2 * FIT_PX) / h, ZOOM_MAX);
  }

  #legible() {
    return Math.max(this.#whole(), ZOOM_LEGIBLE);
  }

  #fillRoom() {
    const { width, height } = this.#room();
    Object.assign(this.#stage.style, { width: `${width}px`, height: `${height}px` });
    this.#cy.resize();
  }

  #resized() {
    this.#fillRoom();
    this.#scale(this.#wasZoomed ? this.#cy.zoom() : this.#legible());
  }

  #scale(zoom) {
    if (this.#cy.elements().empty() || !this.#holder.clientWidth) return;
    this.#cy.zoom(zoom);
    const { x1, y1, w, h } = this.#cy.elements().boundingBox();
    const room = this.#room();
    const width = Math.max(room.width, w * zoom + 2 * FIT_PX);
    const height = Math.max(room.height, h * zoom + 2 * FIT_PX);
    Object.assign(this.#extent.style, { width: `${Math.floor(width)}px`, height: `${Math.floor(height)}px` });
    this.#origin = { x: (width - w * zoom) / 2 - x1 * zoom, y: (height - h * zoom) / 2 - y1 * zoom };
    this.#pan();
  }

  #pan() {
    this.#cy.pan({ x: this.#origin.x - this.#holder.scrollLeft, y: this.#origin.y - this.#holder.scrollTop });
  }

  #dragged() {
    const { x, y } = this.#cy.pan();
    this.#holder.scrollTo(this.#origin.x - x, this.#origin.y - y);
    this.#pan(); // It may have been dragged beyond its edge.
  }

  // Put a point of the plane in the middle, as far as there is anything to scroll.
  #scrollTo({ x, y }) {
    const [zoom, room] = [this.#cy.zoom(), this.#room()];
    this.#holder.scrollTo(this.#origin.x + x * zoom - room.width / 2, this.#origin.y + y * zoom - room.height / 2);
    this.#pan();
  }

  // What is looked for first: what is picked, what went wrong or goes on, what is wanted.
  #first() {
    const found = [".picked", ".step.bad", ".step.run", ".goal"].map((each) => this.#cy.nodes(each).first());
    return found.find((each) => each.nonempty());
  }

  #reveal(node) {
    if (!node || node.empty()) return;
    const { x, y } = node.renderedPosition();
    const { width, height } = this.#room();
    const isSeen = x > FIT_PX && x < width - FIT_PX && y > FIT_PX && y < height - FIT_PX;
    if (!isSeen) this.#scrollTo(node.position());
  }

  #point(picked) {
    this.#picked = picked;
    const node = this.#cy.getElementById(picked);
    this.#reveal(node);
    this.#says.textContent = node.nonempty() ? node.data("text").replace("\n", ", ") : "";
  }

  // From left to right or from top to bottom: whichever leaves the larger letters.
  #bestPlaces(nodes, edges) {
    const room = { width: this.#holder.clientWidth, height: this.#holder.clientHeight };
    const tried = ["LR", "TB"].map((direction) => placed(nodes, edges, direction));
    const scale = ({ size }) => Math.min(room.width / size.width, room.height / size.height, ZOOM_MAX);
    return tried.sort((a, b) => scale(b) - scale(a))[0].places;
  }

  #dress(drawn, node, picked) {
    drawn.data(dataOf(node));
    drawn.classes([node.kind, node.tone, ...node.marks, node.id === picked ? "picked" : ""].filter(Boolean));
  }

  #isNarrow() {
    return this.#holder.clientWidth < 520;
  }

  #pick(node) {
    this.#onPick(node.data("kind"), node.data("key"));
  }

  #keyed(event) {
    const arrow = ARROWS[event.key];
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const here = this.#cy.nodes(".picked").first();
    const next = here.empty() ? this.#cy.nodes().first() : this.#towards(here, arrow);
    if (next && next.nonempty()) this.#pick(next);
  }

  // The nearest node within the quarter of the plane to which the arrow points.
  #towards(here, [dx, dy]) {
    const from = here.position();
    const seen = this.#cy.nodes().difference(here).map((node) => {
      const { x, y } = node.position();
      const along = (x - from.x) * dx + (y - from.y) * dy;
      const aside = Math.abs((x - from.x) * dy) + Math.abs((y - from.y) * dx);
      return { node, along, far: along + 2 * aside, isThere: along > 0 && aside <= along * 2 };
    });
    return seen.filter((each) => each.isThere).sort((a, b) => a.far - b.far)[0]?.node;
  }
}

function added(parent, name) {
  const element = document.createElement("div");
  element.className = name;
  parent.append(element);
  return element;
}

function placed(nodes, edges, direction) {
  if (nodes.length > NODES_FOR_DAGRE_MAX) return layered(nodes, edges, { sizeOf, direction, nodeGap: 12, layerGap: 60 });
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: direction, nodesep: 12, ranksep: direction === "LR" ? 24 : 20, edgesep: 6 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, sizeOf(node));
  for (const edge of edges) graph.setEdge(edge.source, edge.target, {}, edge.id);
  layout(graph);
  const places = new Map(nodes.map(({ id }) => [id, { x: graph.node(id).x, y: graph.node(id).y }]));
  return { places, size: graph.graph() };
}

function dataOf({ kind, key, label, note, tone }) {
  const room = roomIn({ kind, label });
  const lines = [label, note].filter(Boolean);
  return { kind, key, note, tone, text: lines.map((line) => fitting(line, room)).join("\n") };
}

function sizeOf(node) {
  return { width: roomIn(node) * CHARACTER_PX + 18, height: node.kind === "step" ? 42 : 32 };
}

// In characters. What a note will say is not known yet when the graph is laid out.
function roomIn({ kind, label }) {
  return Math.min(Math.max(label.length, kind === "step" ? 15 : 14), 26);
}

function fitting(note, room) {
  const line = note.replaceAll(/\s+/g, "\u00a0");
  return line.length > room ? `${line.slice(0, room - 1)}…` : line;
}

function styles() {
  const colour = colours();
  const tones = TONES.flatMap((tone) => [
    { selector: `node.step.${tone}`, style: { "background-color": colour[`${tone}-ground`], "border-color": colour[tone] } },
    { selector: `node.attribute.${tone}`, style: { "border-color": colour[tone] } },
  ]);
  return [
    { selector: "node", style: {
      shape: "round-rectangle", width: "data(width)", height: "data(height)", label: "data(text)",
      "text-wrap": "wrap", "text-max-width": "data(width)", "text-valign": "center", "text-halign": "center",
      "font-family": fontOf("--sans"), "font-size": 12, "line-height": 1.25, color: colour.ink,
      "background-color": colour.surface, "border-width": 1.5, "border-color": colour["rule-strong"],
    } },
    { selector: "node.attribute", style: {
      shape: "round-rectangle", "corner-radius": 15, "font-size": 11, "border-width": 1, color: colour["ink-soft"], "background-color": colour.surface,
    } },
    ...tones,
    { selector: "node.mute", style: { "border-color": colour["rule-strong"] } },
    { selector: "node.goal", style: { "border-width": 3, "border-style": "double", "font-weight": "bold" } },
    { selector: "node.given", style: { "border-style": "dashed" } },
    { selector: "node.missing", style: { "border-style": "dashed", "border-width": 2, "border-color": colour.bad, color: colour.bad } },
    { selector: "node.out", style: { opacity: 0.45 } },
    { selector: "node.picked", style: { "outline-width": 3, "outline-offset": 2, "outline-color": colour.focus, opacity: 1 } },
    { selector: "edge", style: {
      width: 1.5, "line-color": colour["rule-strong"], "target-arrow-color": colour["rule-strong"],
      "target-arrow-shape": "triangle", "arrow-scale": 0.8, "curve-style": "straight",
    } },
    { selector: "edge.optional", style: { "line-style": "dashed" } },
    { selector: "edge.out", style: { opacity: 0.35 } },
    { selector: "edge.near", style: { "line-color": colour.focus, "target-arrow-color": colour.focus, opacity: 1 } },
  ];
}

// The tokens of the style sheet, as the theme of the moment resolves them.
function colours() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const found = {};
  for (const name of [...TOKENS, ...TONES, ...TONES.map((tone) => `${tone}-ground`)]) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

function fontOf(token) {
  return getComputedStyle(document.documentElement).getPropertyValue(token).trim();
}

// The badges of the navigation: an event of what they count is the doorbell, the count itself
// is then asked of the server, which counts for this visitor. They are asked for now and then
// only while there is no socket.

import { EventSocket } from "./socket.js";
import { PATIENCE_MS, isLoggedIn, showEnded } from "./session.js";

const GATHER_MS = 120;
const WITHOUT_SOCKET_MS = 10_000;

const shown = [...document.querySelectorAll("[data-badge]")];
let soon = null;
let isLive = false;
let isOver = false;

function ring() {
  if (!isOver) soon ??= setTimeout(turn, GATHER_MS);
}

async function turn() {
  soon = null;
  if (document.hidden) return; // It is read again when it is looked at.
  try {
    await refresh();
  } catch {
    // The server is away; the next bell or turn tries again.
  }
}

async function refresh() {
  const response = await fetch("/badges", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.redirected || !response.ok) {
    if (!(await isLoggedIn())) end();
    return;
  }
  const counts = await response.json();
  for (const badge of shown) show(badge, counts[badge.dataset.badge] ?? 0);
}

function show(badge, count) {
  badge.textContent = count;
  badge.hidden = count === 0;
}

function end() {
  isOver = true;
  showEnded();
}

async function told(state) {
  isLive = state === "open";
  // A socket also ends with a right, and then the session goes on.
  if (state === "ended" && !(await isLoggedIn().catch(() => true))) end();
}

if (shown.length) {
  const streams = shown.map((badge) => [badge.dataset.badge]);
  const socket = new EventSocket({ isWelcome: isLoggedIn, onState: told });
  // What happened between the page and the answer of the server is not told by the socket.
  socket.subscribe("badges", { streams, onEvent: ring, onSubscribed: ring });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ring(); });
  setInterval(() => { if (!isLive) ring(); }, WITHOUT_SOCKET_MS);
}

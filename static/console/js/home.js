// The figures of the start page, read again while the page is looked at.

import { PATIENCE_MS, isLoggedIn, showEnded } from "./session.js";

const EVERY_MS = 4000;

async function refresh() {
  const response = await fetch("/figures", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.redirected || !response.ok) return isLoggedIn();
  const { figures, states } = await response.json();
  for (const [key, figure] of Object.entries(figures)) showFigure(key, figure);
  for (const [key, count] of Object.entries(states)) {
    const shown = document.querySelector(`[data-state="${key}"]`);
    if (shown) shown.textContent = count;
  }
  return true;
}

function showFigure(key, { value, note, tone }) {
  const figure = document.querySelector(`[data-figure="${key}"]`);
  if (!figure) return;
  figure.dataset.tone = tone;
  figure.querySelector("[data-of=value]").textContent = value;
  figure.querySelector("[data-of=note]").textContent = note;
}

async function watch() {
  try {
    if (!document.hidden && !(await refresh())) return showEnded();
  } catch {
    // The server is away; the next turn tries again.
  }
  setTimeout(watch, EVERY_MS);
}

setTimeout(watch, EVERY_MS);

// The keyboard: ? help, / search, j k rows, o open, g then a letter to go somewhere.
// Enter is the browser's own: rows are links or summaries and have the focus.

import { isTyping } from "./times.js";

const PLACES = {
  h: "/", e: "/events", j: "/jobs", f: "/flows", s: "/flows/steps", a: "/approvals", b: "/bookings", i: "/invoices",
  d: "/doctor",
};
const GO_WITHIN_MS = 1200;

/** Listen for the keys of the help dialog. */
export function startKeys(root) {
  const dialog = root.querySelector("[data-help-dialog]");
  const help = () => dialog && !dialog.open && dialog.showModal();
  root.querySelector("[data-help]")?.addEventListener("click", help);
  let goSince = -Infinity;

  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave(event.target);
    if (isTyping(event)) return;
    if (performance.now() - goSince < GO_WITHIN_MS && PLACES[event.key]) {
      location.assign(PLACES[event.key]);
      event.preventDefault();
      return;
    }
    goSince = event.key === "g" ? performance.now() : -Infinity;
    if (act(event.key, { root, help })) event.preventDefault();
  });
}

function leave(element) {
  if (element.matches?.("[data-search]")) element.blur();
  // On a wide screen the menu is open for good, and has no button.
  const opened = element.closest?.("details.action[open], details.menu[open]");
  if (!opened) return;
  const button = opened.querySelector("summary");
  if (!button.checkVisibility()) return;
  opened.open = false;
  button.focus();
}

function act(key, { root, help }) {
  switch (key) {
    case "?": help(); return true;
    case "/": return focusOn(root.querySelector("[data-search]"));
    case "j": return focusOn(neighbour(root, +1));
    case "k": return focusOn(neighbour(root, -1));
    case "o": return open(root);
    default: return false;
  }
}

function neighbour(root, step) {
  const rows = [...root.querySelectorAll("[data-row]")].filter((row) => row.offsetParent);
  const here = rows.findIndex((row) => row === document.activeElement
    || row.closest("li, tr")?.contains(document.activeElement));
  if (here < 0) return step > 0 ? rows[0] : rows.at(-1);
  return rows[here + step];
}

function focusOn(element) {
  if (!element) return false;
  element.focus();
  if (element.matches("[data-search]")) element.select?.();
  element.scrollIntoView({ block: "nearest" });
  return true;
}

function open(root) {
  const entry = document.activeElement?.closest?.("li, tr");
  const link = entry?.querySelector("[data-open]");
  if (link) link.click();
  return Boolean(link);
}

// A page that watches something unfinished: its [data-refresh] parts are read again from the
// server, which writes them, until the page leaves or the session ends.

import { PATIENCE_MS, isLoggedIn, showEnded } from "./session.js";
import { showTime } from "./times.js";

const EVERY_MS = 3000;

async function refresh() {
  if (document.hidden || document.querySelector(".action[open]")) return true;
  const response = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.redirected || !response.ok) return isLoggedIn();
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (stateOf(fresh) !== stateOf(document) && document.querySelector(".actions-row")) {
    location.reload(); // What may be done with it has changed as well.
    return true;
  }
  replaceParts(fresh);
  return true;
}

function replaceParts(fresh) {
  const parts = [...document.querySelectorAll("[data-refresh]")];
  [...fresh.querySelectorAll("[data-refresh]")].forEach((part, index) => {
    const shown = document.importNode(part, true);
    for (const time of shown.querySelectorAll("time[datetime]")) showTime(time);
    parts[index]?.replaceWith(shown);
  });
}

function stateOf(page) {
  return page.querySelector(".page-head .chip")?.textContent;
}

async function watch() {
  try {
    if (!(await refresh())) return showEnded();
  } catch {
    // The server is away; the next turn tries again.
  }
  setTimeout(watch, EVERY_MS);
}

setTimeout(watch, EVERY_MS);

// A page that watches something unfinished: its parts are read again from the server, which
// writes them, until the page leaves or the session ends.

import { load } from "./parts.js";

const EVERY_MS = 3000;
let state = stateOf(document);

async function refresh() {
  if (document.hidden) return;
  const fresh = await load(location.href);
  if (!fresh || stateOf(fresh) === state) return;
  // What may be done with it has changed as well; whoever is about to do it is not disturbed.
  if (document.querySelector(".action[open], form[data-sending]")) return;
  state = stateOf(fresh);
  if (document.querySelector(".actions-row")) location.reload();
}

function stateOf(page) {
  return page.querySelector(".page-head .chip")?.textContent;
}

async function watch() {
  if (!document.querySelector("[data-session-ended]").hidden) return;
  try {
    await refresh();
  } catch {
    // The server is away; the next turn tries again.
  }
  setTimeout(watch, EVERY_MS);
}

setTimeout(watch, EVERY_MS);

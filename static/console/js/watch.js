// A page that follows streams: an event is the doorbell, the page is then read again. It is
// also read now and then, so that a bell that was lost costs seconds, not the truth.

import { EventSocket } from "./socket.js";
import { isLoggedIn, showEnded } from "./session.js";

const GATHER_MS = 120;
const EVERY_MS = 3000;
const SAYS = {
  connecting: () => "Connecting…",
  open: () => "Live",
  waiting: ({ seconds }) => `Connection lost; trying again in ${seconds} s.`,
  ended: () => "Not live: your session or your permission has ended.",
  away: () => "The server is away; trying again.",
};

/** Call `refresh` after events of `streams` called one of `names`, and every few seconds. */
export function watch({ streams, names = [], refresh }) {
  const shown = document.querySelector("[data-of=live]");
  let soon = null;
  let regular = null;

  const tell = (state, facts) => {
    if (state === "ended") showEnded();
    if (!shown) return;
    shown.dataset.state = state;
    shown.textContent = SAYS[state](facts);
  };
  const turn = async () => {
    clearTimeout(soon);
    clearTimeout(regular);
    soon = null;
    try {
      if (!document.hidden) await refresh();
      if (shown?.dataset.state === "away") tell("open");
    } catch {
      tell("away");
    }
    clearTimeout(regular);
    regular = setTimeout(turn, EVERY_MS);
  };
  const socket = new EventSocket({ isWelcome: isLoggedIn, onState: tell });
  socket.subscribe("watched", {
    streams,
    names,
    onEvent: () => { soon ??= setTimeout(turn, GATHER_MS); },
    // What happened between the answer of the server and now is not told by the socket.
    onSubscribed: () => { soon ??= setTimeout(turn, 0); },
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
  regular = setTimeout(turn, EVERY_MS);
}

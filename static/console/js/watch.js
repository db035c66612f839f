// A page that follows streams: an event is the doorbell, the page is then read again. It is
// also read now and then, so that a bell that was lost costs seconds, not the truth; a page of
// which every change is an event does so only while there is no socket to ring it.

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

/**
 * Call `refresh` after events of `streams` called one of `names`, and every few seconds:
 * `polls` says whether "always" or only "without-socket".
 */
export function watch({ streams, names = [], refresh, polls = "always" }) {
  const shown = document.querySelector("[data-of=live]");
  let soon = null;
  let regular = null;
  let heard = ["connecting"]; // What the socket told last.
  let isAway = false;
  let isOver = false;

  const show = (state, facts) => {
    if (!shown) return;
    shown.dataset.state = state;
    shown.textContent = SAYS[state](facts);
  };
  const tell = async (...state) => {
    heard = state;
    show(...state);
    // A socket also ends with a right, and then the session goes on.
    if (state[0] !== "ended" || (await isLoggedIn().catch(() => true))) return;
    isOver = true;
    clearTimeout(regular);
    showEnded();
  };
  const wait = () => {
    clearTimeout(regular);
    if (isOver) return;
    const isRung = polls === "without-socket" && heard[0] === "open" && !isAway;
    regular = setTimeout(isRung ? wait : turn, EVERY_MS);
  };
  const turn = async () => {
    clearTimeout(soon);
    clearTimeout(regular);
    soon = null;
    try {
      if (!document.hidden) await refresh();
      if (isAway) show(...heard);
      isAway = false;
    } catch {
      isAway = true;
      show("away");
    }
    wait();
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
  wait();
}

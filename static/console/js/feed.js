// The live ledger: rows written by the server, and new ones above them as they are recorded.
// Pausing keeps the position; resuming asks from there, so nothing is lost in between.

import { EventSocket } from "./socket.js";
import { isLoggedIn, showEnded } from "./session.js";
import { enhanceJson, visible } from "./json.js";
import { isTyping, showTime } from "./times.js";

const ROWS_MAX = 500;
const ANNOUNCE_MS = 4000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const SAYS = {
  connecting: () => "Connecting…",
  open: () => "Live",
  waiting: ({ seconds }) => `Connection lost; trying again in ${seconds} s. Nothing will be missed.`,
  ended: () => "Not live: your session or your permission has ended.",
};

class LiveFeed {
  #section;
  #list;
  #template;
  #socket;
  #queue = [];
  #frame = null;
  #paused = false;
  #shown;
  #missed = 0;
  #unannounced = 0;
  #latest = null;
  #announcer = null;

  constructor(section) {
    this.#section = section;
    this.#list = section.querySelector("[data-feed-list]");
    this.#template = section.querySelector("[data-feed-template]");
    this.#socket = new EventSocket({
      isWelcome: isLoggedIn,
      onState: (state, facts) => this.#tell(state, facts),
    });
    this.#part("pause").addEventListener("click", () => this.#toggle());
    this.#part("arrivals").addEventListener("click", () => {
      this.#toggle();
      this.#part("pause").focus(); // The button that was pressed is gone.
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "p" && !isTyping(event)) this.#toggle();
    });
  }

  /** Show what comes after the position `after`. */
  resume(after) {
    this.#paused = false;
    this.#shown = after;
    this.#missed = 0;
    this.#showPause();
    this.#socket.subscribe("feed", {
      streams: JSON.parse(this.#section.dataset.streams),
      names: JSON.parse(this.#section.dataset.names),
      after,
      onEvent: (frame) => this.#arrived(frame),
      onError: (error) => this.#refused(error),
    });
  }

  #toggle() {
    if (!this.#paused) {
      this.#flush();
      this.#paused = true;
      this.#showPause();
    } else if (this.#missed > ROWS_MAX) {
      location.reload(); // More than a screen can hold: the server writes the newest page.
    } else {
      this.#socket.unsubscribe("feed");
      this.resume(this.#shown);
    }
  }

  #arrived(frame) {
    if (!this.#isWanted(frame)) return;
    if (this.#paused) {
      // Only counted: resuming reads them from the log again, by position.
      this.#missed += 1;
      this.#showPause();
      return;
    }
    this.#queue.push(frame);
    if (this.#queue.length > ROWS_MAX) this.#queue.shift();
    // A hidden page gets no animation frames; its rows wait in the queue, bounded.
    this.#frame ??= requestAnimationFrame(() => this.#flush());
  }

  #isWanted(frame) {
    const { category } = this.#section.dataset;
    return !category || frame.metadata.category === category;
  }

  #flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    if (this.#queue.length === 0) return;
    const rows = this.#queue.map((frame) => this.#row(frame)).reverse();
    this.#shown = this.#queue.at(-1).position;
    this.#announce(this.#queue);
    this.#queue = [];
    this.#list.prepend(...rows);
    this.#part("empty")?.remove();
    this.#trim();
  }

  #row(frame) {
    const row = this.#template.content.firstElementChild.cloneNode(true);
    const put = (name, text) => { row.querySelector(`[data-of="${name}"]`).textContent = visible(text); };
    const eventId = frame.metadata.eventId;
    put("position", String(frame.position));
    put("name", frame.type);
    put("stream", frame.id.map(short).join("/"));
    row.querySelector("[data-of=stream]").title = visible(frame.id.join("/"));
    const json = row.querySelector("[data-of=json]");
    json.textContent = JSON.stringify(frame.data);
    const category = row.querySelector("[data-of=category]");
    category.textContent = frame.metadata.category;
    category.hidden = frame.metadata.category === "domain";
    const time = row.querySelector("time");
    time.dateTime = new Date(frame.timestamp).toISOString();
    showTime(time);
    link(row, "event", `/events/${encodeURIComponent(eventId)}`);
    link(row, "stream-link", `/events/streams/${frame.id.map(segment).join("/")}`);
    const entry = row.querySelector("details");
    entry.classList.add("arrived");
    entry.addEventListener("toggle", () => enhanceJson(json), { once: true });
    return row;
  }

  #trim() {
    while (this.#list.children.length > ROWS_MAX) this.#list.lastElementChild.remove();
  }

  #announce(frames) {
    this.#unannounced += frames.length;
    this.#latest = frames.at(-1).type;
    this.#announcer ??= setTimeout(() => {
      const count = this.#unannounced === 1 ? "1 new event" : `${this.#unannounced} new events`;
      this.#part("announcement").textContent = `${count}, last ${this.#latest}`;
      this.#unannounced = 0;
      this.#announcer = null;
    }, ANNOUNCE_MS);
  }

  #showPause() {
    const button = this.#part("pause");
    button.setAttribute("aria-pressed", String(this.#paused));
    button.querySelector("[data-of=pause-name]").textContent = this.#paused ? "Resume" : "Pause";
    const icon = button.querySelector("use");
    const href = icon.getAttribute("href").split("#")[0];
    icon.setAttribute("href", `${href}#${this.#paused ? "play" : "pause"}`);
    const arrivals = this.#part("arrivals");
    arrivals.hidden = !(this.#paused && this.#missed);
    arrivals.textContent = this.#missed === 1
      ? "1 new event: resume and show it"
      : `${this.#missed.toLocaleString("en")} new events: resume and show them`;
    const live = this.#part("live");
    if (this.#paused) Object.assign(live, { textContent: "Paused" }).dataset.state = "paused";
    else if (live.dataset.state === "paused") this.#tell("open");
  }

  #tell(state, facts) {
    if (state === "ended") showEnded();
    if (this.#paused && state !== "ended") return;
    const live = this.#part("live");
    live.dataset.state = state;
    live.textContent = SAYS[state](facts);
  }

  #refused(error) {
    const live = this.#part("live");
    live.dataset.state = "ended";
    live.textContent = [error.detail, error.hint].filter(Boolean).join(" ");
  }

  #part(name) {
    return this.#section.querySelector(`[data-of="feed-${name}"]`);
  }
}

function link(row, name, href) {
  for (const anchor of row.querySelectorAll(`[data-of="${name}"]`)) anchor.href = href;
}

// As the template tag stream_short does it.
function short(element) {
  return UUID.test(element) ? `…${element.slice(-8)}` : element;
}

// As console/addresses.py writes them: "/" would split an element, "." and ".." would be resolved.
function segment(element) {
  let text = element.replaceAll("~", "~0").replaceAll("/", "~1");
  if (text === "." || text === "..") text = text.replaceAll(".", "~2");
  return encodeURIComponent(text);
}

for (const section of document.querySelectorAll("[data-feed][data-live]")) {
  new LiveFeed(section).resume(Number(section.dataset.after));
}

// Times as people need them: how long ago, at what time here, at what time in UTC.
// The server writes UTC; one choice for all pages is remembered in this browser.

const WAYS = ["relative", "local", "UTC"];
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const local = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

let way = "relative";

/** Show every <time> under `root` in the chosen way, and keep the relative ones true. */
export function startClock(root) {
  way = remembered();
  const toggle = root.querySelector("[data-clock-toggle]");
  toggle?.addEventListener("click", nextWay);
  root.addEventListener("keydown", (event) => {
    if (event.key === "t" && !isTyping(event)) nextWay();
  });
  showAll(root);
  setInterval(() => { if (!document.hidden && way === "relative") showAll(document); }, 10_000);
}

/** Show one <time>; its title always has all three. */
export function showTime(element) {
  const at = new Date(element.dateTime);
  if (Number.isNaN(at.getTime())) return;
  if ("countdown" in element.dataset) {
    showCountdown(element, at);
    return;
  }
  const all = { relative: ago(at), local: local.format(at), UTC: utc(at) };
  element.textContent = all[way];
  element.title = `${all.relative} · ${all.local} here · ${all.UTC}`;
}

/** Count the seconds down to each <time data-countdown> of the page. */
export function startCountdowns() {
  setInterval(() => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time[data-countdown]")) showTime(element);
  }, 500);
}

function showCountdown(element, at) {
  const seconds = Math.ceil((at.getTime() - Date.now()) / 1000);
  element.title = `${local.format(at)} here · ${utc(at)}`;
  if (seconds <= 0) element.textContent = "due now";
  else if (seconds < 120) element.textContent = `in ${seconds} s`;
  else element.textContent = ago(at);
}

export function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey
    || event.target.closest?.("input, select, textarea, [contenteditable], dialog[open]");
}

function showAll(root) {
  for (const element of root.querySelectorAll("time[datetime]")) showTime(element);
  const name = document.querySelector("[data-clock-name]");
  if (name) name.textContent = way;
}

function nextWay() {
  way = WAYS[(WAYS.indexOf(way) + 1) % WAYS.length];
  try {
    localStorage.setItem("daybook.clock", way);
  } catch {
    // Nothing remembers it, but this page shows it.
  }
  showAll(document);
}

function remembered() {
  try {
    const stored = localStorage.getItem("daybook.clock");
    return WAYS.includes(stored) ? stored : "relative";
  } catch {
    return "relative";
  }
}

function ago(at) {
  const seconds = (at.getTime() - Date.now()) / 1000;
  if (Math.abs(seconds) < 1.5) return "now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return relative.format(unit === "day" ? daysUntil(at) : Math.trunc(seconds / size), unit);
}

/** By the calendar: in 41 hours is not tomorrow if two nights lie between. */
function daysUntil(at) {
  const [then, today] = [at, new Date()].map((each) => new Date(each).setHours(0, 0, 0, 0));
  return Math.round((then - today) / 86_400_000);
}

function utc(at) {
  return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

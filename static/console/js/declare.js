// The form of a start: what follows from the goals, the cron rule and the event is written by
// the server, at the address that holds them. What was filled in elsewhere stays.

import { load } from "./parts.js";

const WAIT_MS = 250;
const form = document.querySelector("[data-declare]");
let timer = null;

form?.addEventListener("input", (event) => {
  if (!event.target.dataset.addressed) return;
  clearTimeout(timer);
  timer = setTimeout(() => show().catch(() => {}), WAIT_MS); // The form works without it too.
});

// A quick hand, or a browser that remembers, fills in before this script is there.
if (form && [...form.querySelectorAll("[data-addressed]")].some(isChanged)) show().catch(() => {});

function isChanged(field) {
  if (!field.options) return field.value !== field.defaultValue;
  const chosen = [...field.options].findIndex((option) => option.defaultSelected);
  return field.selectedIndex !== Math.max(chosen, 0);
}

async function show() {
  history.replaceState(null, "", address());
  await load(location.href, { keep });
}

function keep() {
  const filled = values();
  return () => {
    for (const [name, value] of filled) {
      const field = form.elements[name];
      if (field) field.value = value;
    }
  };
}

function address() {
  const asked = new URLSearchParams();
  for (const field of form.querySelectorAll("[data-addressed]")) {
    // What was emptied is said too: it is not what the server would fill in.
    if (field.value || field.defaultValue) asked.set(field.dataset.addressed, field.value);
  }
  return `${location.pathname}?${asked}`;
}

function values() {
  return [...form.querySelectorAll("[data-part=values] [name]")]
    .filter((field) => field.value !== "")
    .map((field) => [field.name, field.value]);
}

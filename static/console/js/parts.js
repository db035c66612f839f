// Parts of a page that the server writes again: the page at some address is fetched, and each
// [data-part] that has changed takes the place of the one shown. What did not change stays as
// it is, unfolded as it was, and the focus stays where it was.

import { PATIENCE_MS, isLoggedIn, showEnded } from "./session.js";
import { enhanceJson } from "./json.js";
import { showTime } from "./times.js";

const FORM_TOKEN = /name="csrfmiddlewaretoken" value="[^"]*"/g; // Another one in every answer.

// This module stands before those that change what the server wrote, so that it can compare.
const written = new Map(collect(document));
let loading = null;
let why = whyOf(document);

/**
 * Show what the server says of `url`, and return its document: null if a later call came in
 * between. Rejects when the server is away. `keep` is called when the answer is there, just
 * before anything changes, and what it returns just after: what was typed meanwhile counts.
 */
export async function load(url, { keep = () => () => {} } = {}) {
  loading?.abort();
  const mine = (loading = new AbortController());
  const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
  try {
    const response = await fetch(url, { signal: mine.signal, headers: { Accept: "text/html" } });
    if (response.redirected && new URL(response.url).pathname !== new URL(url, location).pathname) {
      if (!(await isLoggedIn())) showEnded();
      return null;
    }
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    if (loading !== mine) return null;
    const giveBack = keep();
    replace(fresh);
    giveBack();
    sayWhy();
    return fresh;
  } catch (error) {
    if (loading !== mine) return null;
    throw error;
  } finally {
    clearTimeout(patience);
  }
}

// Why something waits, or how it ended, is said to who cannot see that it has changed. Times in
// it change all the time.
function sayWhy() {
  const now = whyOf(document);
  if (now !== why) document.querySelector("[data-said]").textContent = now;
  why = now;
}

function whyOf(page) {
  const shown = page.querySelector(".why")?.cloneNode(true);
  for (const time of shown?.querySelectorAll("time, .next") ?? []) time.remove();
  return shown?.textContent.replaceAll(/\s+/g, " ").trim() ?? "";
}

function collect(page) {
  return [...page.querySelectorAll("[data-part]")].map((part) => (
    [part.dataset.part, part.outerHTML.replaceAll(FORM_TOKEN, "")]
  ));
}

function replace(fresh) {
  for (const [name, html] of collect(fresh)) {
    if (written.get(name) === html) continue;
    const shown = document.querySelector(`[data-part="${name}"]`);
    if (!shown || isBusy(shown)) continue;
    written.set(name, html);
    swap(shown, document.importNode(fresh.querySelector(`[data-part="${name}"]`), true));
  }
}

// Whoever writes a reason, fills in a form or holds a slider must not lose it.
function isBusy(part) {
  return "held" in part.dataset
    || Boolean(part.querySelector(".action[open], form[data-sending], form[method=post] :focus"));
}

function swap(shown, fresh) {
  const place = shown.contains(document.activeElement) ? placeOf(document.activeElement) : null;
  for (const time of fresh.querySelectorAll("time[datetime]")) showTime(time);
  for (const element of fresh.querySelectorAll("[data-needs-script]")) element.hidden = false;
  shown.replaceWith(fresh);
  for (const block of fresh.querySelectorAll("[data-json]")) enhanceJson(block);
  if (place) fresh.querySelector(place)?.focus({ preventScroll: true });
}

function placeOf(element) {
  if (element.dataset.key) return `[data-key="${CSS.escape(element.dataset.key)}"]`;
  const address = element.getAttribute("href");
  return address ? `a[href="${CSS.escape(address)}"]` : null;
}

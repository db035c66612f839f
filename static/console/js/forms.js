// Forms that act are sent once, and only after the server was asked whether it is there and
// still knows who sends them: what was typed into one that cannot be sent stays where it is.

import { PATIENCE_MS, isOfThisPage, showEnded, whose } from "./session.js";
import { giveBackTyped, keepTyped } from "./typed.js";

const AWAY = "The server does not answer, so nothing was sent. What you typed is still here: try again in a moment.";
let passed = null;
let isLeaving = false;

/** Watch over every form of the page that posts, also over those that come later. */
export function startForms(root) {
  // What stands at the address of a button is a form that was refused: its page is elsewhere.
  if (document.body.dataset.page) history.replaceState(null, "", document.body.dataset.page);
  // After a refusal the keyboard is where something has to be put right.
  root.querySelector("form[method=post] [aria-invalid=true]:not([autofocus])")?.focus();
  if (giveBackTyped()) root.querySelector("[data-typed-again]").hidden = false;
  root.addEventListener("submit", (event) => {
    if (event.target.matches("form[method=post]:not([data-unasked])")) submitted(event);
  });
  addEventListener("pagehide", () => {
    const hasEnded = !root.querySelector("[data-session-ended]").hidden;
    if (!isLeaving) keepTyped({ until: hasEnded ? "log-in" : "reload" });
  });
  // Coming back by the back button finds the forms usable again.
  addEventListener("pageshow", () => root.querySelectorAll("form[data-sending]").forEach(release));
}

async function submitted(event) {
  const form = event.target;
  if (passed === form) return;
  event.preventDefault();
  if ("sending" in form.dataset) return;
  hold(form);
  try {
    if (isOfThisPage(await whose())) send(form, event.submitter);
    else {
      release(form);
      showEnded();
    }
  } catch {
    release(form);
    tell(form, "alert", AWAY);
  }
}

function send(form, submitter) {
  renewToken(form);
  passed = form;
  isLeaving = true;
  form.requestSubmit(submitter);
  passed = null;
  // An answer may be a file, and then the page stays; the visitor may also have stopped it.
  setTimeout(() => {
    isLeaving = false;
    release(form);
  }, PATIENCE_MS);
}

// Whoever has logged in again in another tab has a new one, and the form has the old one.
function renewToken(form) {
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
  const field = form.querySelector("[name=csrfmiddlewaretoken]");
  if (token && field) field.value = token;
}

function hold(form) {
  form.dataset.sending = "";
  tell(form, "status", "Sending…");
}

function release(form) {
  delete form.dataset.sending;
  form.querySelector("[data-told]")?.remove();
}

function tell(form, role, text) {
  form.querySelector("[data-told]")?.remove();
  const told = document.createElement("p");
  told.dataset.told = role;
  told.setAttribute("role", role);
  form.append(told);
  told.textContent = text;
}

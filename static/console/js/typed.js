// What was typed and not yet sent, kept in this tab over a reload or a log-in: never a password,
// never for another user, never on another page.

const KEY = "daybook.typed";
const ROWS = "-TOTAL_FORMS";

/** Keep what the forms of this page hold: `until` the visitor has done a "log-in" or a "reload". */
export function keepTyped({ until }) {
  const forms = [...acting()].map((form) => ({ action: form.getAttribute("action"), fields: changed(form) }));
  const filled = forms.filter(({ fields }) => fields.length);
  const { user } = document.body.dataset;
  try {
    if (filled.length) sessionStorage.setItem(KEY, JSON.stringify({ until, user, page: address(), forms: filled }));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden or full; the page then loses it as every page does.
  }
}

/** Fill in what was kept for this page and this user, once; return whether there was any. */
export function giveBackTyped() {
  const kept = take();
  if (!kept || kept.user !== document.body.dataset.user || kept.page !== address()) return false;
  const isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";
  if (kept.until === "reload" && !isReload) return false;
  const given = kept.forms.map(({ action, fields }) => {
    const form = [...acting()].find((each) => each.getAttribute("action") === action);
    return Boolean(form) && fill(form, fields);
  });
  return given.some(Boolean);
}

function take() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    sessionStorage.removeItem(KEY);
    return kept;
  } catch {
    return null;
  }
}

function address() {
  return location.pathname + location.search;
}

function acting() {
  return document.querySelectorAll("form[method=post]");
}

function fieldsOf(form) {
  return [...form.elements].filter((field) => field.name && field.type !== "password"
    && (field.type !== "hidden" || field.name.endsWith(ROWS)) && "value" in field && field.type !== "submit");
}

function changed(form) {
  // What a form was refused with stands in it as if the page had come with it; the page to which
  // a reload leads knows nothing of it.
  const isRefused = form.querySelector("[aria-invalid=true], .errorlist") !== null;
  return fieldsOf(form).filter((field) => isRefused || isChanged(field)).map((field) => (
    [field.name, field.type === "checkbox" ? field.checked : field.value]
  ));
}

function isChanged(field) {
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.type === "hidden") return true; // The number of rows: a script may have added some.
  if (!field.options) return field.value !== field.defaultValue;
  const chosen = [...field.options].findIndex((option) => option.defaultSelected);
  return field.selectedIndex !== Math.max(chosen, 0);
}

function fill(form, fields) {
  let isFilled = false;
  for (const [name, value] of fields) {
    if (name.endsWith(ROWS)) addRows(form, form.elements[name], Number(value));
    const field = form.elements[name];
    if (!field || !("value" in field) || field.type === "hidden") continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
    for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
    isFilled = true;
  }
  return isFilled;
}

function addRows(form, total, wanted) {
  const button = form.querySelector("[data-add-row]");
  for (let left = wanted - Number(total?.value); button && left > 0; left -= 1) button.click();
}

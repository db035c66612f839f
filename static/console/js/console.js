// What every page has: times, keys, the JSON viewer, forms, and the small print of the frame.

import { startClock } from "./times.js";
import { startKeys } from "./keys.js";
import { enhanceJson } from "./json.js";
import { startForms } from "./forms.js";

for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;

startClock(document);
startKeys(document);
startForms(document);
for (const block of document.querySelectorAll("[data-json]")) enhanceJson(block);

// Where details cannot be unfolded by a style sheet, unfold what a wide screen has room for.
if (!CSS.supports("selector(details::details-content)")) {
  for (const [folded, width] of [[".menu", "60rem"], [".fold", "46rem"]]) {
    if (!matchMedia(`(min-width: ${width})`).matches) continue;
    for (const details of document.querySelectorAll(folded)) details.open = true;
  }
}

// A filter form sends only what is set, so that its link says only what matters.
for (const form of document.querySelectorAll("form[data-filters]")) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
}
// Coming back by the back button finds the fields usable again.
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-filters] :disabled")) field.disabled = false;
});

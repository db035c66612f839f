// Lists of the admin on narrow screens: each value says what it is, so that a row can be a card;
// and what is wider than its place says that it goes on, and can be scrolled by keyboard.
// What has no name or role that a screen reader would say gets one.

for (const results of document.querySelectorAll("#changelist .results")) {
  label(results.querySelector("table"));
  letBreak(results.querySelector("tbody"));
  letBreak(document.getElementById("changelist-filter"));
  const look = () => tell(results);
  new ResizeObserver(look).observe(results);
  results.addEventListener("scroll", look, { passive: true });
}

// Django names its search by a picture, and its tips on nothing that has a role.
document.getElementById("searchbar")?.setAttribute("aria-label", "Search");
addEventListener("load", () => {
  for (const tip of document.querySelectorAll(".help-tooltip[aria-label]")) tip.setAttribute("role", "img");
});

function label(table) {
  if (!table) return;
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.querySelector(".text")?.textContent.trim() ?? "");
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, index) => { cell.dataset.label = names[index]; });
  }
  table.dataset.labelled = "";
}

// A name such as flow.check_health breaks between its words, and in no other place.
function letBreak(rows) {
  if (!rows) return;
  const texts = document.createTreeWalker(rows, NodeFilter.SHOW_TEXT);
  const names = [];
  while (texts.nextNode()) names.push(texts.currentNode);
  for (const name of names) {
    const [first, ...others] = name.data.split(/(?<=\w[._/@:])(?=[a-z])/i);
    if (others.length) name.replaceWith(first, ...others.flatMap((word) => [document.createElement("wbr"), word]));
  }
}

function tell(results) {
  const isWide = results.scrollWidth > results.clientWidth + 1;
  const isAtEnd = results.scrollLeft + results.clientWidth >= results.scrollWidth - 1;
  results.toggleAttribute("data-goes-on", isWide && !isAtEnd);
  if (!isWide) {
    results.removeAttribute("tabindex");
    return;
  }
  results.tabIndex = 0;
  results.setAttribute("role", "region");
  results.setAttribute("aria-label", "Rows; they go on to the right");
}

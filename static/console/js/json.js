// A viewer for JSON of any origin. Everything reaches the page as text, never as markup,
// and characters that deceive the eye (bidi overrides, controls) are shown as escapes.

const LONG = 2000;
const FOLD_BEYOND = 40;
// A list of ten thousand is some hundred thousand elements: they are made when it is unfolded.
const LATER_BEYOND = 500;
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

/** Replace the plain text of a <pre data-json> by a tree that folds, with a copy button. */
export function enhanceJson(block) {
  const text = block.textContent;
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return; // What the server wrote stays.
  }
  block.replaceChildren(nodeOf(value, 0));
  if (!block.matches("[data-json-bare]")) frame(block, text);
}

/** Build the element that shows `value`. */
function nodeOf(value, depth = 0) {
  if (value === null || typeof value === "boolean") return span("word", String(value));
  if (typeof value === "number") return span("number", String(value));
  if (typeof value === "string") return stringNode(value);
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [start, end] = isList ? "[]" : "{}";
  if (entries.length === 0) return span("", start + end);
  return treeNode({ entries, isList, start, end, depth });
}

/** Make hidden and direction-changing characters visible. */
export function visible(text) {
  return text.replace(DECEPTIVE, (character) =>
    [...Array(character.length).keys()]
      .map((index) => "\\u" + character.charCodeAt(index).toString(16).padStart(4, "0"))
      .join(""));
}

function treeNode({ entries, isList, start, end, depth }) {
  const details = document.createElement("details");
  details.open = entries.length <= (depth < 1 ? LATER_BEYOND : FOLD_BEYOND);
  const summary = document.createElement("summary");
  summary.append(start, span("count", ` ${entries.length} … ${end}`));
  const inside = document.createElement("div");
  inside.className = "inside";
  details.append(summary, inside, end);
  const fill = () => fillTree(inside, { entries, isList, depth });
  if (details.open || entries.length <= LATER_BEYOND) fill();
  else details.addEventListener("toggle", fill, { once: true });
  return details;
}

function fillTree(inside, { entries, isList, depth }) {
  entries.forEach(([key, child], index) => {
    const line = document.createElement("div");
    if (!isList) line.append(span("key", visible(JSON.stringify(key))), ": ");
    const node = nodeOf(child, depth + 1);
    line.append(node);
    // A tree is a block: the comma belongs behind its last brace, not on a line of its own.
    if (index < entries.length - 1) (node.matches("details") ? node : line).append(",");
    inside.append(line);
  });
}

function stringNode(text) {
  const whole = visible(JSON.stringify(text));
  if (whole.length <= LONG) return span("string", whole);
  const holder = span("string", whole.slice(0, LONG) + "… ");
  const more = document.createElement("button");
  more.type = "button";
  more.textContent = `show all ${text.length.toLocaleString("en")} characters`;
  more.addEventListener("click", () => { holder.textContent = whole; });
  holder.append(more);
  return holder;
}

function frame(block, text) {
  const holder = document.createElement("div");
  holder.className = "json-frame";
  const tools = document.createElement("div");
  tools.className = "tools";
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "button plain";
  copy.textContent = "Copy";
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
  tools.append(copy);
  block.replaceWith(holder);
  holder.append(tools, block);
}

function span(className, text) {
  const element = document.createElement("span");
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

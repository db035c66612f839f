// What of a page cannot be read, or not by everybody: one line for each complaint.
() => {
  const TEXT_MIN = 4.5;
  const LARGE_MIN = 3;
  const complaints = new Set();
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();

  function channels(colour) {
    if (!known.has(colour)) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
      known.set(colour, [red, green, blue, alpha / 255]);
    }
    return known.get(colour);
  }

  function over([red, green, blue, alpha], ground) {
    return [red, green, blue].map((each, index) => each * alpha + ground[index] * (1 - alpha));
  }

  function around(element) {
    const found = [];
    for (let each = element; each; each = each.parentElement) found.push(each);
    return found;
  }

  function groundOf(element) {
    const layers = around(element).map((each) => channels(getComputedStyle(each).backgroundColor));
    const opaque = layers.findIndex(([, , , alpha]) => alpha === 1);
    const seen = opaque < 0 ? layers : layers.slice(0, opaque + 1);
    return seen.reverse().reduce((ground, layer) => over(layer, ground), [255, 255, 255]);
  }

  function luminance(colour) {
    const [red, green, blue] = colour.map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function contrastOf(element) {
    const ground = groundOf(element);
    const opacity = around(element).reduce((all, each) => all * getComputedStyle(each).opacity, 1);
    const [red, green, blue, alpha] = channels(getComputedStyle(element).color);
    const [dark, light] = [over([red, green, blue, alpha * opacity], ground), ground]
      .map(luminance).sort((one, other) => one - other);
    return (light + 0.05) / (dark + 0.05);
  }

  function isSeen(element) {
    return element.checkVisibility({ checkVisibilityCSS: true }) && !element.closest(":disabled");
  }

  function lookAtText() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent.trim();
      const element = walker.currentNode.parentElement;
      if (!text || element.matches("script, style, option, noscript") || !isSeen(element)) continue;
      const { fontSize, fontWeight } = getComputedStyle(element);
      const isLarge = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
      const contrast = contrastOf(element);
      if (contrast < (isLarge ? LARGE_MIN : TEXT_MIN)) complaints.add(`contrast ${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
    }
  }

  function nameOf(element) {
    const labelled = (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).map((id) => document.getElementById(id));
    const labels = [...labelled, ...(element.labels ?? []), element].filter(Boolean);
    const images = labels.flatMap((each) => [...each.querySelectorAll("img")]).map((image) => image.alt);
    const hints = [...element.querySelectorAll("[title]")].map((each) => each.title);
    const words = [element.getAttribute("aria-label"), element.title, element.placeholder,
      ...labels.map((each) => each.textContent), ...images, ...hints];
    return words.join("").trim() || (/submit|button/.test(element.type) ? element.value : "");
  }

  function lookAtControls() {
    for (const each of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, table, [role=img]")) {
      if (isSeen(each) && !nameOf(each)) complaints.add(`no name: ${each.outerHTML.slice(0, 100)}`);
    }
    for (const kind of ["aria-labelledby", "aria-describedby", "for"]) {
      for (const each of document.querySelectorAll(`[${kind}]`)) {
        for (const id of each.getAttribute(kind).split(/\s+/).filter(Boolean)) {
          if (!document.getElementById(id)) complaints.add(`${kind} leads nowhere: ${id}`);
        }
      }
    }
  }

  function lookAtOrder() {
    const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(isSeen).map((each) => Number(each.tagName[1]));
    if (levels.filter((level) => level === 1).length !== 1) complaints.add(`first headings: ${levels}`);
    const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
    for (const id of ids.filter((each, index) => ids.indexOf(each) !== index)) complaints.add(`twice: ${id}`);
  }

  // Where rows are cards, each value stands beside its name.
  function lookAtCards() {
    for (const each of document.querySelectorAll(".table td[data-label]")) {
      const isCard = getComputedStyle(each).display !== "table-cell";
      const says = each.textContent.trim() || each.querySelector("a, button, svg > *");
      if (isCard && isSeen(each) && !says) complaints.add(`nothing beside ${each.dataset.label}`);
    }
  }

  lookAtText();
  lookAtCards();
  lookAtControls();
  lookAtOrder();
  return [...complaints];
}

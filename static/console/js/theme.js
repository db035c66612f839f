// Loaded before the first paint, so that no page flashes in the wrong theme.
// The key and the attribute are Django admin's own: both remember one choice.
"use strict";
(() => {
  const THEMES = ["auto", "light", "dark"];
  const root = document.documentElement;

  function remembered() {
    try {
      const theme = localStorage.getItem("theme");
      return THEMES.includes(theme) ? theme : "auto";
    } catch {
      return "auto"; // Storage may be forbidden; the system's theme is then the choice.
    }
  }

  function apply(theme) {
    root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.querySelector("[data-theme-name]").textContent = theme;
      button.setAttribute("aria-label", `Theme: ${theme}. Change it.`);
    }
  }

  function next() {
    const theme = THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Nothing remembers it, but this page shows it.
    }
    apply(theme);
  }

  apply(remembered());
  document.addEventListener("DOMContentLoaded", () => apply(remembered()));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-toggle]")) next();
  });
})();

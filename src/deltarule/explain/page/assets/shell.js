// What a page has around it whatever it shows: light or dark, and the size of its text.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const { clamp } = DR.dom;
  const at = (id) => document.getElementById(id);
  const SIZES = { least: 0.8, most: 2.4, step: 1.15 };

  /** What a browser remembers of a reader's choice; files opened from disk may have no storage. */
  const memory = {
    get(key) {
      try {
        return localStorage.getItem(`deltarule-${key}`);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        localStorage.setItem(`deltarule-${key}`, value);
      } catch {
        /* not kept, and no harm */
      }
    },
  };

  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  /** Light or dark by the button, as it was chosen before, or as the system has it. */
  function theme() {
    const button = at("theme");
    const tell = () => {
      button.setAttribute("aria-pressed", String(isDark()));
      document.dispatchEvent(new CustomEvent("deltarule-theme"));
    };
    const kept = memory.get("theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      memory.set("theme", document.documentElement.dataset.theme);
      tell();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  }

  /** Larger and smaller text by the buttons, as it was chosen before. */
  function textSize() {
    const size = (value) => {
      const scale = clamp(value, SIZES.least, SIZES.most);
      document.documentElement.style.setProperty("--scale", scale.toFixed(3));
      memory.set("scale", scale);
      return scale;
    };
    let scale = size(Number(memory.get("scale")) || 1);
    at("smaller").addEventListener("click", () => (scale = size(scale / SIZES.step)));
    at("larger").addEventListener("click", () => (scale = size(scale * SIZES.step)));
  }

  DR.shell = { theme, textSize };
})();

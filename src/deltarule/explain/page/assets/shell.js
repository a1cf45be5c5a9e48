// @ts-check
// What a page has around it whatever it shows: light or dark, the size of its text, its help, its
// keys, and word of what failed. The explain page and the playground both begin with it.
"use strict";

const shellModule = (function () {
  const { el, clamp } = DR.dom;
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

  /** The dialog behind the button with the question mark: a paragraph, and [keys, what they do]. */
  function help(text, keys) {
    const dialog = at("help");
    const names = (list) => list.flatMap((key, i) => [i ? " " : "", el("kbd", { text: key })]);
    const rows = keys.map(([list, words]) =>
      el("tr", {}, el("th", { scope: "row" }, ...names(list)), el("td", { text: words })),
    );
    dialog.append(
      // The focus goes to the top: on the button at the end it would scroll all else away.
      el("h2", { id: "h-help", tabindex: -1, autofocus: true, text: "How to read this page" }),
      el("p", { class: "note", text }),
      el("table", {}, el("tbody", {}, ...rows)),
      el("form", { method: "dialog" }, el("button", { class: "button main", text: "Close" })),
    );
    at("help-open").addEventListener("click", () => dialog.showModal());
    return dialog;
  }

  const TYPED_IN = "input:not([type=radio], [type=range], [type=checkbox]), select, textarea";

  /** Keys of the whole page, a function each: not where one types, and not while help is open. */
  function keys(actions, dialog) {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (dialog.open || event.target.matches(TYPED_IN)) return;
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action) return;
      if (event.key === "/") event.preventDefault(); // or it would be typed where the focus goes
      action();
    });
  }

  /** What the keys of both pages do to a store, which may not be there yet. */
  function storeKeys(storeOf) {
    const move = (change) => () => {
      const store = storeOf();
      if (store) store.set(change(store.state, store));
    };
    const along = (key, by, count) =>
      move((state, store) => ({ [key]: clamp(state[key] + by, 0, count(store) - 1) }));
    const rows = (store) => store.rows.n,
      states = (store) => store.payload.states.length;
    return {
      "[": along("sample", -1, rows),
      "]": along("sample", 1, rows),
      "{": along("state", -1, states),
      "}": along("state", 1, states),
      g: move(({ colour }) => ({ colour: colour === "weight" ? "gradient" : "weight" })),
      m: move(({ mode }) => ({ mode: mode === "mean" ? "sample" : "mean" })),
      Escape: move(() => ({ selected: null, sweep: null })),
    };
  }

  const reason = (error) => (error && error.message ? error.message : String(error));

  /** Calls f(words) for every failure that nothing else has caught. */
  function failures(f) {
    window.addEventListener("error", (event) => {
      // Put off to the next frame by the browser, and no failure.
      if (/^ResizeObserver loop/.test(event.message)) return;
      f(reason(event.error || event.message));
    });
  }

  return { theme, textSize, help, keys, storeKeys, reason, failures };
})();
DR.shell = shellModule;

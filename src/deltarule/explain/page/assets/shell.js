// @ts-check
// What the explain page and the playground have in common: light or dark, the size of the text, the
// help, the keys, and messages about failures.
"use strict";

const shellModule = (function () {
  const { el, clamp } = DR.dom;
  const at = DR.dom.byId;
  const SIZES = { least: 0.8, most: 2.4, step: 1.15 };

  /** A reader's choices, kept by the browser; files opened from disk may have no storage. */
  const memory = {
    /** @param {string} key */
    get(key) {
      try {
        return localStorage.getItem(`deltarule-${key}`);
      } catch {
        return null;
      }
    },
    /** @param {string} key @param {string} value */
    set(key, value) {
      try {
        localStorage.setItem(`deltarule-${key}`, value);
      } catch {
        /* without storage the choice lasts as long as the page */
      }
    },
  };

  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  /** Light or dark: by the button, as chosen before, or as the system is set. */
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
      memory.set("theme", document.documentElement.dataset.theme ?? "");
      tell();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  }

  /** Larger and smaller text by the buttons, as it was chosen before. */
  function textSize() {
    const [smaller, larger] = [at("smaller"), at("larger")].map((b) => /** @type {HTMLButtonElement} */ (b));
    /** @param {number} value */
    const size = (value) => {
      const scale = clamp(value, SIZES.least, SIZES.most);
      document.documentElement.style.setProperty("--scale", scale.toFixed(3));
      memory.set("scale", String(scale));
      larger.disabled = scale >= SIZES.most - 1e-9;
      smaller.disabled = scale <= SIZES.least + 1e-9;
      document.dispatchEvent(new CustomEvent("deltarule-size"));
      return scale;
    };
    let scale = size(Number(memory.get("scale")) || 1);
    // In steps from the usual size, which so many presses back bring again, also from the ends, which are no
    // whole number of steps away.
    const steps = () => Math.log(scale) / Math.log(SIZES.step);
    smaller.addEventListener("click", () => {
      scale = size(SIZES.step ** (Math.ceil(steps() - 1e-6) - 1));
    });
    larger.addEventListener("click", () => {
      scale = size(SIZES.step ** (Math.floor(steps() + 1e-6) + 1));
    });
  }

  /**
   * Fills the dialog behind the button with the question mark: a paragraph, and a row for each thing that
   * a finger does and for each key. Where there is a finger its rows come first, and the keys are folded.
   *
   * @param {string} text @param {[keys: string[], words: string][]} keys
   * @param {[keys: string[], words: string][]} [touches]
   */
  function help(text, keys, touches = []) {
    const dialog = /** @type {HTMLDialogElement} */ (at("help"));
    /** @param {string[]} list */
    const names = (list) => list.flatMap((key, i) => [i ? " " : "", el("kbd", { text: key })]);
    /** @param {[keys: string[], words: string][]} rows */
    const table = (rows) =>
      el(
        "table",
        {},
        el(
          "tbody",
          {},
          ...rows.map(([list, words]) =>
            el("tr", {}, el("th", { scope: "row" }, ...names(list)), el("td", { text: words })),
          ),
        ),
      );
    const parts =
      touches.length && matchMedia("(pointer: coarse)").matches
        ? [table(touches), el("details", {}, el("summary", { text: "With a keyboard" }), table(keys))]
        : [table([...keys, ...touches])];
    dialog.append(
      // The focus goes to the top: on the button at the end it would scroll all else away.
      el("h2", { id: "h-help", tabindex: -1, autofocus: true, text: "How to read this page" }),
      // In sight wherever the help is scrolled to, as its last button is not.
      DR.dom.iconButton("close", "Close the help", () => dialog.close(), "tool help-close"),
      el("p", { class: "note", text }),
      ...parts,
      el("form", { method: "dialog" }, el("button", { class: "button main", text: "Close" })),
    );
    at("help-open").addEventListener("click", () => {
      dialog.showModal();
      dialog.scrollTop = 0; // the focus on the heading has scrolled the margin above it away
    });
    return dialog;
  }

  const TYPED_IN = "input:not([type=radio], [type=range], [type=checkbox]), select, textarea";

  /**
   * Keys of the whole page, with a function each: not while a reader types, or the help is open.
   *
   * @param {Record<string, (() => unknown) | undefined>} actions @param {HTMLDialogElement} dialog
   */
  function keys(actions, dialog) {
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (dialog.open || /** @type {Element} */ (event.target).matches(TYPED_IN)) return;
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action) return;
      if (event.key === "/") event.preventDefault(); // or it would be typed where the focus goes
      action();
    });
  }

  /**
   * The keys of both pages that change the store; nothing happens while there is no store yet.
   *
   * @param {() => Page.Store | null} storeOf
   */
  function storeKeys(storeOf) {
    /** @param {(state: Page.View, store: Page.Store) => Partial<Page.View>} change */
    const move = (change) => () => {
      const store = storeOf();
      if (store) store.set(change(store.state, store));
    };
    /** @param {"sample" | "state"} key @param {number} by @param {(store: Page.Store) => number} count */
    const along = (key, by, count) =>
      move((state, store) => ({ [key]: clamp(state[key] + by, 0, count(store) - 1) }));
    /** @param {Page.Store} store */
    const rows = (store) => store.rows.n;
    /** @param {Page.Store} store */
    const states = (store) => store.payload.states.length;
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

  const NUMBERS = "input:is([type=number], [inputmode=decimal], [inputmode=numeric])";
  /**
   * A number field that gets the focus has its number selected, so that what is typed takes its place: a
   * press, which sets the caret after the focus, selects it as well. The next press in the field sets the caret.
   */
  function selectNumbers() {
    /** @type {EventTarget | null} The field that has got the focus since the last press began. */
    let fresh = null;
    document.addEventListener("pointerdown", () => (fresh = null), true);
    document.addEventListener("focusin", ({ target }) => {
      if (!(target instanceof HTMLInputElement) || !target.matches(NUMBERS)) return;
      fresh = target;
      target.select();
    });
    document.addEventListener("click", ({ target }) => {
      // A part that the press has selected by being drawn along stays as it is.
      if (
        target instanceof HTMLInputElement &&
        target === fresh &&
        target.selectionStart === target.selectionEnd
      )
        target.select();
      fresh = null;
    });
  }

  /** What went wrong, in words; anything may be thrown. @param {any} error @returns {string} */
  const reason = (error) => (error?.message ? error.message : String(error));
  /** Calls f(words) for every failure that nothing else has caught. @param {(words: string) => unknown} f */
  function failures(f) {
    window.addEventListener("error", (event) => {
      // The browser delivers these in the next frame: no failure.
      if (/^ResizeObserver loop/.test(event.message)) return;
      f(reason(event.error || event.message));
    });
  }

  return { theme, textSize, selectNumbers, help, keys, storeKeys, reason, failures };
})();
DR.shell = shellModule;

// @ts-check
// What a symbol or a term of a derivation stands for in the drawing, and the reverse: pointing at the
// one, or bringing the focus to it, lights the other.
"use strict";

const linksModule = (function () {
  const ROWS = ".term, .factors3 > li"; // a term with its factors
  const PLACES = "#panel [data-symbol], #sweep [data-symbol]";

  /** @type {Map<string, string[]>} */
  const known = new Map();

  /**
   * The parts of a drawing that a symbol belongs to, as keys of parts.js, or "target:1": the weight of
   * ∂C/∂w, the node of δ, both the weight and the node it comes from of ∂z/∂w.
   *
   * @param {string} id the symbol's name, as in data-symbol
   */
  function partsOf(id) {
    let found = known.get(id);
    if (found) return found;
    found = [];
    for (const [, letter, l, j, k] of id.matchAll(/([A-Za-z]+)\^(\d+)_\{(\d+)(?:,(\d+))?\}/g)) {
      if (k !== undefined) found.push(`edge:${l},${j},${k}`);
      else if (letter === "b" || letter === "db") found.push(`bias:${l},${j}`);
      else if (!id.startsWith("dz^")) found.push(`node:${l},${j}`);
      if (id.startsWith("dz^") && k !== undefined) found.push(`node:${Number(l) - 1},${k}`);
    }
    const target = /^y_\{(\d+)\}$/.exec(id);
    if (target) found.push(`target:${target[1]}`);
    if (/^C(_\d+)?( |$)/.test(id)) found.push("cost");
    known.set(id, found);
    return found;
  }

  /** @type {Set<Page.Drawing>} */
  const views = new Set();

  /** @type {string[]} What is lit while nothing is pointed at. */
  let kept = [];

  /**
   * Lights what a question is about until it is called with an empty list; what a drawing computes
   * stands back meanwhile.
   *
   * @param {string[]} keys
   */
  function keep(keys) {
    if (keys.join() === kept.join()) return;
    kept = keys;
    light([]);
    for (const view of views) {
      view.root.classList.toggle("asking", keys.length > 0);
      if (keys.length && view.root.isConnected) DR.drawing.reveal(view);
    }
  }

  /** Lights parts of every drawing; for an empty list those that are kept. @param {string[]} wanted */
  function light(wanted) {
    const keys = wanted.length ? wanted : kept;
    for (const view of views) {
      const before = view.linked;
      if (!keys.length && !before.size) continue;
      if (keys.length === before.size && keys.every((key) => before.has(key))) continue;
      view.linked = new Set(keys);
      DR.paint.emphasis(view);
    }
  }

  /** The names of the symbols in an element. @param {Element} element */
  const symbolsIn = (element) =>
    Array.from(element.querySelectorAll("[data-symbol]"), (each) => each.getAttribute("data-symbol") ?? "");

  /** Lights what an element of a derivation stands for: a term, or a symbol. @param {Element | null} element */
  function follow(element) {
    const row = element?.closest(ROWS);
    const symbol = element?.closest("[data-symbol]");
    const ids = row ? symbolsIn(row) : symbol ? [symbol.getAttribute("data-symbol") ?? ""] : [];
    light([...new Set(ids.flatMap(partsOf))]);
  }

  /** Marks the symbols and terms of a part of the drawing; null: of none. @param {string | null} key */
  function mark(key) {
    for (const element of document.querySelectorAll(".linked:not(svg *)")) element.classList.remove("linked");
    if (key === null) return;
    for (const element of document.querySelectorAll(PLACES)) {
      if (!partsOf(element.getAttribute("data-symbol") ?? "").includes(key)) continue;
      element.classList.add("linked");
      element.closest(".term:not(.total)")?.classList.add("linked");
    }
  }

  /** Arrow keys in a focused list of terms. @param {KeyboardEvent} event */
  function pressed(event) {
    const list = event.target instanceof Element && event.target.matches(".terms") ? event.target : null;
    if (!list) return;
    const rows = [...list.querySelectorAll(".term")];
    const at = rows.findIndex((row) => row.classList.contains("at"));
    if (event.key === "Enter") {
      const go = at < 0 ? null : rows[at].querySelector(".sym[data-go]");
      if (go) go.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !rows.length) return;
    event.preventDefault();
    event.stopPropagation();
    reach(rows, DR.dom.clamp(at + step, 0, rows.length - 1));
  }

  /** Goes to a term of a list. @param {Element[]} rows @param {number} to */
  function reach(rows, to) {
    rows.forEach((row, i) => {
      row.classList.toggle("at", i === to);
    });
    const row = rows[to];
    if (!row) return;
    row.scrollIntoView({ block: "nearest" });
    follow(row);
    const names = symbolsIn(row).length ? [...row.querySelectorAll(".result")] : [row];
    const factors = [...row.querySelectorAll(".numbers [data-symbol]")].map((each) => each.textContent);
    DR.dom.say(
      [factors.join(" times "), ...names.map((each) => each.textContent)].filter(Boolean).join(", "),
    );
  }

  let listening = false;
  function listen() {
    if (listening) return;
    listening = true;
    /** @param {Event} event */
    const over = ({ target }) => {
      const inside = target instanceof Element ? target.closest("#panel, #sweep") : null;
      follow(inside ? /** @type {Element} */ (target) : null);
    };
    document.addEventListener("pointerover", over);
    // Symbols that arrow keys reach in a formula (mathml.js).
    document.addEventListener("deltarule-point", (event) =>
      follow(/** @type {CustomEvent<Element>} */ (event).detail),
    );
    document.addEventListener("keydown", pressed, true);
    document.addEventListener("focusin", ({ target }) => {
      if (target instanceof Element && target.matches(".terms:focus-visible"))
        reach([...target.querySelectorAll(".term")], 0);
    });
    document.addEventListener("focusout", ({ target }) => {
      if (!(target instanceof Element) || !target.matches(".terms, .formula")) return;
      reach([...target.querySelectorAll(".term")], -1);
      light([]);
    });
  }

  /** Lets a drawing be lit. @param {Page.Drawing} view */
  function watch(view) {
    views.add(view);
    listen();
  }

  return { partsOf, mark, keep, watch };
})();
DR.links = linksModule;

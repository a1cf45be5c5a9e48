// @ts-check
// A matrix as a heat map on a canvas; pointer and arrow keys read its entries and select them.
//
// One pixel of a canvas is one number; the browser scales it. Blue is negative, orange positive,
// and the scale is symmetric, so that the colour of zero is always the same.
"use strict";

const mapsModule = (function () {
  const { el, brief, clamp, colour } = DR.dom;
  const WIDE = 560,
    HIGH = 380,
    CELL = 36; // a map's size on the screen, and its largest cell

  /** @param {Page.HeatMatrix} matrix */
  function largestOf(matrix) {
    let most = 0;
    for (let r = 0; r < matrix.rows; ++r)
      for (let c = 0; c < matrix.columns; ++c) {
        const size = Math.abs(matrix.at(r, c));
        if (size > most && size < Infinity) most = size;
      }
    return most;
  }

  /** @returns {Page.Ink} */
  function colours() {
    return {
      negative: colour("--negative"),
      positive: colour("--positive"),
      zero: colour("--zero-soft"),
      none: colour("--alarm"),
    };
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Page.HeatMatrix} matrix
   * @param {number} most
   * @param {Page.Ink} ink
   */
  function paint(canvas, matrix, most, ink) {
    canvas.width = matrix.columns;
    canvas.height = matrix.rows;
    const context = DR.dom.context2d(canvas),
      image = context.createImageData(matrix.columns, matrix.rows);
    for (let r = 0, p = 0; r < matrix.rows; ++r)
      for (let c = 0; c < matrix.columns; ++c, p += 4) {
        const value = matrix.at(r, c),
          end = Number.isFinite(value) ? (value < 0 ? ink.negative : ink.positive) : ink.none;
        const t = Number.isFinite(value) ? (most > 0 ? Math.abs(value) / most : 0) ** 0.75 : 1;
        for (let q = 0; q < 3; ++q) image.data[p + q] = ink.zero[q] + t * (end[q] - ink.zero[q]);
        image.data[p + 3] = 255;
      }
    context.putImageData(image, 0, 0);
  }

  /**
   * Pointer and keys on a map: `read` shows an entry, `choose` selects it, `clear` shows none.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {Page.HeatMatrix} matrix
   * @param {{ read: (r: number, c: number) => void, clear: () => void, choose: () => unknown,
   *   place: () => [r: number, c: number] }} actions
   */
  function listen(canvas, { rows, columns }, { read, clear, choose, place }) {
    /** @param {MouseEvent} event */
    const under = (event) => {
      const box = canvas.getBoundingClientRect();
      read(
        Math.floor(((event.clientY - box.top) / box.height) * rows),
        Math.floor(((event.clientX - box.left) / box.width) * columns),
      );
    };
    canvas.addEventListener("pointermove", under);
    canvas.addEventListener("pointerleave", () => document.activeElement !== canvas && clear());
    canvas.addEventListener("click", (event) => {
      under(event);
      choose();
    });
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && read(...place()));
    canvas.addEventListener("blur", clear);
    canvas.addEventListener("keydown", (event) => {
      const by = event.shiftKey ? 10 : 1,
        [r, c] = place();
      /** @type {Record<string, [r: number, c: number] | undefined>} */
      const moves = {
        ArrowUp: [r - by, c],
        ArrowDown: [r + by, c],
        ArrowLeft: [r, c - by],
        ArrowRight: [r, c + by],
        Home: [r, 0],
        End: [r, columns - 1],
        PageUp: [0, c],
        PageDown: [rows - 1, c],
      };
      const to = moves[event.key];
      if (to) read(...to);
      else if (event.key === "Enter" || event.key === " ") choose();
      else return;
      event.preventDefault();
    });
  }

  /**
   * A figure with one map: pointer and arrow keys read a number, click or Enter selects it. Its
   * `mark()` marks the entry that is selected.
   *
   * @param {Page.Store} store @param {Page.HeatMatrix} matrix @param {number} most @param {Page.Ink} ink
   */
  function figure(store, matrix, most, ink) {
    const { rows, columns } = matrix;
    const cell = matrix.strip
      ? 0
      : Math.max(Math.min(CELL, Math.floor(WIDE / columns), Math.floor(HIGH / rows)), 1);
    const size = matrix.strip
      ? `width: min(100%, ${columns * 22}px); height: 2.25rem`
      : `width: min(100%, ${Math.max(columns * cell, 24)}px); height: ${rows * cell}px`;
    const canvas = el("canvas", {
      style: size,
      tabindex: 0,
      role: "application",
      "aria-roledescription": "heat map",
      "aria-label": `${matrix.title}, ${rows} by ${columns}, ${matrix.note}. Arrow keys read, Enter selects.`,
    });
    const cursor = el("div", { class: "cursor", hidden: true }),
      marked = el("div", { class: "cursor marked", hidden: true });
    const out = el("output", { class: "readout", "aria-live": "polite" });
    const rest = `largest |value| ${brief(most)}`;
    out.textContent = rest;
    paint(canvas, matrix, most, ink);
    /** @type {[r: number, c: number] | null} */
    let place = null;

    /** @param {HTMLElement} box @param {[r: number, c: number]} entry */
    const put = (box, [r, c]) => {
      box.hidden = false;
      /** @param {number} part @param {number} whole */
      const share = (part, whole) => `${(100 * part) / whole}%`;
      Object.assign(box.style, { left: share(c, columns), top: share(r, rows) });
      Object.assign(box.style, { width: share(1, columns), height: share(1, rows) });
    };
    /** @param {number} r @param {number} c */
    function read(r, c) {
      place = [clamp(r, 0, rows - 1), clamp(c, 0, columns - 1)];
      put(cursor, place);
      const [key, text] = matrix.symbol(...place);
      out.replaceChildren(`${text} = `, DR.dom.shown(key, matrix.at(...place)));
    }
    const clear = () => {
      cursor.hidden = true;
      out.textContent = rest;
    };
    const choose = () => place && store.set(matrix.what(...place));
    listen(canvas, matrix, { read, clear, choose, place: () => place || [0, 0] });
    const box = el(
      "figure",
      { class: `map${matrix.strip ? " strip" : ""}` },
      el(
        "figcaption",
        {},
        el("b", { text: matrix.title }),
        el("span", { class: "note", text: ` ${rows} × ${columns}: ${matrix.note}` }),
      ),
      el("div", { class: "canvas" }, canvas, marked, cursor),
      out,
    );
    const mark = () => {
      const at = store.state.selected ? matrix.mark(store.state.selected) : null;
      if (at) put(marked, at);
      else marked.hidden = true;
    };
    mark();
    return Object.assign(box, { mark });
  }

  return { figure, largestOf, colours };
})();
DR.maps = mapsModule;

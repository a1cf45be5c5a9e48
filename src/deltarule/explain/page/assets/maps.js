// @ts-check
// A matrix as a heat map on a canvas; pointer and arrow keys read its entries and select them.
//
// One pixel of a canvas is one number; the browser scales it. Blue is negative, orange positive,
// and the scale is symmetric, so that the colour of zero is always the same.
"use strict";

const mapsModule = (function () {
  const { el, brief, clamp, colour, iconButton } = DR.dom;
  const WIDE = 560,
    HIGH = 380,
    CELL = 36; // a map's size on the screen, and its largest cell
  const ZOOM = 1.6; // by which a button or a key enlarges a map

  /** How strong a colour is for a share of the largest number, from 0 to 1. @param {number} share */
  const strength = (share) => clamp(share, 0, 1) ** 0.75;

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
        const t = Number.isFinite(value) ? strength(most > 0 ? Math.abs(value) / most : 0) : 1;
        for (let q = 0; q < 3; ++q) image.data[p + q] = ink.zero[q] + t * (end[q] - ink.zero[q]);
        image.data[p + 3] = 255;
      }
    context.putImageData(image, 0, 0);
  }

  /**
   * The scale of a map, with numbers and, by `point`, a mark at one; from 0 where no number is negative.
   *
   * @param {number} most @param {Page.Ink} ink @param {boolean} [positive]
   */
  function scale(most, ink, positive = false) {
    /** @param {number} at from −1 to 1 */
    const shade = (at) => {
      const end = at < 0 ? ink.negative : ink.positive;
      const parts = ink.zero.map((zero, q) => Math.round(zero + strength(Math.abs(at)) * (end[q] - zero)));
      return `rgb(${parts.join(" ")})`;
    };
    const low = positive ? 0 : -1;
    const stops = Array.from({ length: 21 }, (_, i) => shade(low + ((1 - low) * i) / 20));
    const needle = el("i", { class: "needle", hidden: true });
    const bar = el("div", { class: "scale-bar" }, needle);
    bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    const ticks = most > 0 ? (positive ? [0, 0.25, 0.5, 0.75, 1] : [-1, -0.5, 0, 0.5, 1]) : [0];
    const words = ticks.map((at) => el("span", { text: brief(at * most) }));
    const box = el(
      "div",
      { class: "scale", "aria-hidden": "true" },
      bar,
      el("div", { class: "ticks" }, ...words),
    );
    return Object.assign(box, {
      /** @param {number | null} value */
      point(value) {
        needle.hidden = value === null || !Number.isFinite(value) || !(most > 0);
        if (value !== null) needle.style.left = `${(100 * (clamp(value / most, low, 1) - low)) / (1 - low)}%`;
      },
    });
  }

  /**
   * Pointer and keys on a map: `read` shows an entry, `choose` selects it, `clear` shows none.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {Page.HeatMatrix} matrix
   * @param {{ read: (r: number, c: number) => void, clear: () => void, choose: () => unknown,
   *   place: () => [r: number, c: number], zoom: (by: number) => void }} actions
   */
  function listen(canvas, { rows, columns }, { read, clear, choose, place, zoom }) {
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
      else if (event.key === "+" || event.key === "=") zoom(ZOOM);
      else if (event.key === "-") zoom(1 / ZOOM);
      else if (event.key === "0") zoom(0);
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
    const zoomable = !matrix.strip && cell < CELL / 2;
    const keys = zoomable
      ? "Arrow keys read, Enter selects, + and − zoom."
      : "Arrow keys read, Enter selects.";
    const canvas = el("canvas", {
      tabindex: 0,
      role: "application",
      "aria-roledescription": "heat map",
      "aria-label": `${matrix.title}, ${rows} by ${columns}, ${matrix.note}. ${keys}`,
    });
    const cursor = el("div", { class: "cursor", hidden: true }),
      marked = el("div", { class: "cursor marked", hidden: true });
    const out = el("output", { class: "readout", "aria-live": "polite" });
    const legend = scale(most, ink, matrix.positive);
    const rest = `largest |value| ${brief(most)}`;
    out.textContent = rest;
    paint(canvas, matrix, most, ink);
    /** @type {[r: number, c: number] | null} */
    let place = null;
    const frame = el("div", { class: "map-frame" }, el("div", { class: "canvas" }, canvas, marked, cursor));
    let enlarged = 1;

    /** Makes the map larger or smaller about what is read or seen; 0: as at first. @param {number} by */
    function zoom(by) {
      if (!zoomable) by = 0;
      const before = enlarged;
      enlarged = by ? clamp(enlarged * by, 1, CELL / cell) : 1;
      const [r, c] = place ?? [
        ((frame.scrollTop + frame.clientHeight / 2) / (rows * cell * before)) * rows,
        ((frame.scrollLeft + frame.clientWidth / 2) / (columns * cell * before)) * columns,
      ];
      const wide = Math.max(columns * cell, 24);
      canvas.style.width = matrix.strip
        ? `min(100%, ${columns * 22}px)`
        : enlarged === 1
          ? `min(100%, ${wide}px)`
          : `${wide * enlarged}px`;
      canvas.style.height = matrix.strip ? "2.25rem" : `${rows * cell * enlarged}px`;
      if (enlarged === 1) return;
      const side = cell * enlarged;
      frame.scrollTop = (r + 0.5) * side - frame.clientHeight / 2;
      frame.scrollLeft = (c + 0.5) * side - frame.clientWidth / 2;
    }

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
      const value = matrix.at(...place);
      legend.point(value);
      out.replaceChildren(`${text} = `, DR.dom.shown(key, value));
      // By keys the cursor may leave the part of an enlarged map that is seen.
      if (enlarged > 1 && document.activeElement === canvas)
        cursor.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    const clear = () => {
      cursor.hidden = true;
      legend.point(null);
      out.textContent = rest;
    };
    const choose = () => place && store.set(matrix.what(...place));
    listen(canvas, matrix, { read, clear, choose, place: () => place || [0, 0], zoom });
    zoom(0);
    const buttons = zoomable
      ? el(
          "span",
          { class: "map-zoom", role: "group", "aria-label": `Size of the map of ${matrix.title}` },
          iconButton("minus", `Smaller map of ${matrix.title}`, () => zoom(1 / ZOOM)),
          iconButton("fit", `The whole map of ${matrix.title}`, () => zoom(0)),
          iconButton("plus", `Larger map of ${matrix.title}`, () => zoom(ZOOM)),
        )
      : null;
    const box = el(
      "figure",
      { class: `map${matrix.strip ? " strip" : ""}` },
      el(
        "figcaption",
        {},
        el("b", { text: matrix.title }),
        el("span", { class: "note", text: ` ${rows} × ${columns}: ${matrix.note}` }),
      ),
      buttons,
      frame,
      legend,
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

  return { figure, scale, paint, largestOf, colours };
})();
DR.maps = mapsModule;

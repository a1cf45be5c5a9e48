// @ts-check
// The weights into every node of layer 1, or their derivatives, as images on one scale: what the first
// layer looks for.
"use strict";

const galleryModule = (function () {
  const { el, brief, clamp } = DR.dom;
  const SHOWN = 128; // images at first; a button shows the others

  /** The largest absolute entry of an image; 0 of none. @param {ArrayLike<number>} values */
  const largest = (values) =>
    Array.from(values).reduce((most, value) => {
      const size = Math.abs(value);
      return size > most && size < Infinity ? size : most;
    }, 0);

  /**
   * A figure with an image for each node of layer 1; null where the inputs are no image.
   *
   * @param {Page.Store} store
   * @param {Page.HeatMatrix} matrix of layer 1: row j, column k, as the heat maps have it
   */
  function figure(store, matrix) {
    const image = DR.images.of(store);
    if (!image) return null;
    const [high, wide] = image.shape;
    const pixels = Array.from({ length: matrix.rows }, (_, j) =>
      DR.images.byPixel(image, (k) => matrix.at(j, k)),
    );
    const most = Math.max(...pixels.map(largest));
    const ink = DR.maps.colours();
    const legend = DR.maps.scale(most, ink);
    const out = el("output", { class: "readout", "aria-live": "polite" });
    const rest = `largest |value| ${brief(most)}; the same scale for all ${DR.text.count(matrix.rows)}`;
    const clear = () => {
      legend.point(null);
      out.textContent = rest;
    };
    /** @param {number} j @param {number} r @param {number} c */
    function read(j, r, c) {
      const k = image ? image.inputs[r * wide + c] : -1;
      if (k < 0) return clear();
      const [key, text] = matrix.symbol(j, k);
      legend.point(matrix.at(j, k));
      out.replaceChildren(`${text}, pixel (${r}, ${c}) = `, DR.dom.shown(key, matrix.at(j, k)));
    }
    /** @param {number} j */
    function one(j) {
      const canvas = el("canvas", { "aria-hidden": "true" });
      DR.maps.paint(
        canvas,
        { ...matrix, rows: high, columns: wide, at: (r, c) => pixels[j][r * wide + c] },
        most,
        ink,
      );
      const name = DR.text.symbols.a(1, j)[1];
      const button = el(
        "button",
        {
          type: "button",
          "data-node": j,
          "aria-label": `${matrix.title} into ${name}, largest ${brief(largest(pixels[j]))}`,
          onclick: () => store.set({ selected: { kind: "node", layer: 1, j } }),
          onfocus: () => {
            out.textContent = `into ${name}: largest |value| ${brief(largest(pixels[j]))}`;
          },
          onblur: clear,
        },
        canvas,
        el("span", { text: name }),
      );
      canvas.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        /** @param {number} at @param {number} from @param {number} size @param {number} n */
        const place = (at, from, size, n) => clamp(Math.floor(((at - from) / size) * n), 0, n - 1);
        read(
          j,
          place(event.clientY, box.top, box.height, high),
          place(event.clientX, box.left, box.width, wide),
        );
      });
      canvas.addEventListener("pointerleave", clear);
      return button;
    }
    const grid = el("div", { class: "gallery-grid" });
    const more = el("button", {
      type: "button",
      class: "link",
      text: `Show all ${DR.text.count(matrix.rows)}`,
      onclick: () => {
        for (let j = SHOWN; j < matrix.rows; ++j) grid.append(one(j));
        more.remove();
        mark();
      },
    });
    for (let j = 0; j < Math.min(SHOWN, matrix.rows); ++j) grid.append(one(j));
    const mark = () => {
      const { selected } = store.state;
      const at = selected && selected.kind !== "cost" && selected.layer === 1 ? selected.j : -1;
      for (const each of grid.children)
        DR.dom.put(
          each,
          "aria-current",
          Number(/** @type {HTMLElement} */ (each).dataset.node) === at ? "true" : null,
        );
    };
    clear();
    mark();
    const box = el(
      "figure",
      { class: "gallery", "aria-label": `${matrix.title} as images` },
      el(
        "figcaption",
        {},
        el("b", { text: `${matrix.title} as images` }),
        el("span", { class: "note", text: `, one for each node of layer 1, ${high} × ${wide} pixels` }),
      ),
      grid,
      matrix.rows > SHOWN ? more : null,
      legend,
      out,
    );
    return Object.assign(box, { mark });
  }

  return { figure };
})();
DR.gallery = galleryModule;

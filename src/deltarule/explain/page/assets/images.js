// @ts-check
// Inputs that are the pixels of an image: rows, weights and derivatives as images, and thumbnails.
//
// payload.image says which input, and which column of the table, each pixel is. Where there is a
// table, a row's picture shows the cells; a network's own inputs may be standardised.
"use strict";

const imagesModule = (function () {
  const { el } = DR.dom;

  /** @param {Page.Store} store @returns {Page.ImageOfInputs | null} */
  const of = (store) => store.payload.image ?? null;

  /**
   * The pixels of a row, as in the table where there is one; NaN where there is no number.
   *
   * @param {Page.Store} store @param {Page.ImageOfInputs} image @param {number} [i]
   */
  function pixels(store, { columns, inputs }, i = store.state.sample) {
    const x = store.x(i);
    const cells = store.payload.columns;
    return Float64Array.from(inputs, (input, p) => {
      const cell = columns && columns[p] >= 0 ? cells[columns[p]].cells[i] : null;
      return typeof cell === "number" ? cell : input >= 0 ? x[input] : Number.NaN;
    });
  }

  /** @type {WeakMap<Page.DecodedArray, [low: number, high: number]>} */
  const ranges = new WeakMap();

  /** The smallest and the largest pixel of all rows. @param {Page.Store} store @param {Page.ImageOfInputs} image */
  function rangeOf(store, image) {
    let range = ranges.get(store.rows.X);
    if (!range) {
      range = [Infinity, -Infinity];
      for (let i = 0; i < store.rows.n; ++i)
        for (const value of pixels(store, image, i))
          if (Number.isFinite(value)) range = [Math.min(range[0], value), Math.max(range[1], value)];
      ranges.set(store.rows.X, range);
    }
    return range;
  }

  /** The pixels of a row from 0 (paper) to 1 (ink). @param {Page.Store} store @param {Page.ImageOfInputs} image @param {number} [i] */
  function shades(store, image, i) {
    const [low, high] = rangeOf(store, image);
    return pixels(store, image, i).map((value) =>
      high > low && Number.isFinite(value) ? (value - low) / (high - low) : 0,
    );
  }

  /** The colours of a row's picture: paper and ink. @returns {Page.Ink} */
  function ink() {
    const { colour } = DR.dom;
    return {
      negative: colour("--alarm"),
      positive: colour("--ink"),
      zero: colour("--card"),
      none: colour("--zero"),
    };
  }

  /** A number of every input as an image; 0 where a pixel is no input. @param {Page.ImageOfInputs} image @param {(k: number) => number} value */
  const byPixel = ({ inputs }, value) => Float64Array.from(inputs, (k) => (k < 0 ? 0 : value(k)));

  /** The pixel that an input is; −1 for none. @param {Page.ImageOfInputs} image @param {number} k */
  const pixelOf = ({ inputs }, k) => inputs.indexOf(k);

  /**
   * The picture of a node: the row for an input, the weights for a node of layer 1, and ∂a/∂x at the
   * row for one of a later layer.
   *
   * @param {Page.Store} store @param {Page.ImageOfInputs} image @param {number} l @param {number} j
   */
  function pictureOf(store, image, l, j) {
    if (l === 0) return shades(store, image);
    if (l > 1) {
      const slope = DR.slopeOf(store, l, j);
      return byPixel(image, (k) => slope[k]);
    }
    const theta = store.theta();
    return byPixel(image, (k) => theta[DR.driver.weightAt(store.net, 1, j, k)]);
  }

  /**
   * The picture of a row on a canvas of one pixel for each of the image.
   *
   * @param {HTMLCanvasElement} canvas @param {Page.Store} store @param {Page.ImageOfInputs} image
   * @param {number} i
   */
  function paintRow(canvas, store, image, i) {
    const [rows, columns] = image.shape;
    [canvas.width, canvas.height] = [columns, rows];
    const context = DR.dom.context2d(canvas),
      data = context.createImageData(columns, rows);
    DR.planes.paint(
      data.data,
      0,
      columns,
      shades(store, image, i),
      columns,
      { middle: 0, most: 1 },
      ink(),
      1,
    );
    context.putImageData(data, 0, 0);
  }

  /** What a row's thumbnail is called: its name, and its class. @param {Page.Store} store @param {number} i */
  function nameOf(store, i) {
    const { rows, classes, outputs } = store.payload.names;
    const y = store.y(i);
    const labels = classes.length === y.length ? classes : outputs;
    const name = rows[i] ?? String(i);
    return y.length > 1 ? [name, labels[y.indexOf(Math.max(...y))] ?? ""] : [name, DR.dom.brief(y[0])];
  }

  /**
   * A button with the picture of the row that is shown; it opens the rows as thumbnails, of which one
   * is chosen. null where the inputs are no image.
   *
   * @param {Page.Store} store
   */
  function chooser(store) {
    const image = of(store);
    if (!image) return null;
    const face = el("canvas", { "aria-hidden": "true" });
    const list = el("div", {
      class: "thumbnails",
      id: "thumbnails",
      popover: "auto",
      role: "group",
      "aria-label": "Rows",
    });
    const button = el(
      "button",
      {
        type: "button",
        class: "tool thumbnail",
        popovertarget: "thumbnails",
        "aria-label": "Choose a row by its picture",
        title: "Choose a row by its picture",
      },
      face,
    );
    let filled = false;
    const fill = () => {
      filled = true;
      list.replaceChildren(
        ...Array.from({ length: store.rows.n }, (_, i) => {
          const canvas = el("canvas", { "aria-hidden": "true" });
          paintRow(canvas, store, image, i);
          const [name, label] = nameOf(store, i);
          return el(
            "button",
            {
              type: "button",
              "data-row": i,
              "aria-label": `row ${name}, ${label}`,
              onclick: () => choose(i),
            },
            canvas,
            el("span", { text: DR.dom.cut(label, 8) }),
          );
        }),
      );
    };
    /** @param {number} i */
    function choose(i) {
      store.set({ sample: i });
      list.hidePopover();
    }
    const mark = () => {
      for (const each of list.children)
        DR.dom.put(
          each,
          "aria-current",
          Number(/** @type {HTMLElement} */ (each).dataset.row) === store.state.sample ? "true" : null,
        );
    };
    list.addEventListener("beforetoggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
      if (!filled) fill();
      mark();
    });
    list.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
      const now = /** @type {HTMLElement | null} */ (list.querySelector("[aria-current]"));
      now?.focus();
    });
    list.addEventListener("keydown", (event) => {
      const buttons = /** @type {HTMLElement[]} */ ([...list.children]);
      const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      const across = buttons.filter((each) => each.offsetTop === buttons[0].offsetTop).length;
      /** @type {Record<string, number | undefined>} */
      const moves = {
        ArrowLeft: -1,
        ArrowRight: 1,
        ArrowUp: -across,
        ArrowDown: across,
        Home: -at,
        End: buttons.length - 1 - at,
      };
      const by = moves[event.key];
      if (by === undefined || at < 0) return;
      buttons[DR.dom.clamp(at + by, 0, buttons.length - 1)].focus();
      event.preventDefault();
    });
    const show = () => paintRow(face, store, image, store.state.sample);
    document.addEventListener("deltarule-theme", () => {
      filled = false;
      show();
    });
    show();
    return Object.assign(el("span", { class: "thumbnail-field" }, button, list), { show });
  }

  /**
   * A matrix of the heat maps (maps.js) with one entry for each pixel.
   *
   * @param {Page.ImageOfInputs} image @param {ArrayLike<number>} values
   * @param {{ title: string, note: string, symbol: (k: number) => [id: string | null, text: string],
   *   what: (k: number) => Partial<Page.View> }} words
   * @returns {Page.HeatMatrix}
   */
  function matrix(image, values, { title, note, symbol, what }) {
    const [rows, columns] = image.shape;
    /** @param {number} r @param {number} c */
    const input = (r, c) => image.inputs[r * columns + c];
    return {
      title,
      rows,
      columns,
      note,
      at: (r, c) => values[r * columns + c],
      symbol: (r, c) => {
        const k = input(r, c);
        if (k < 0) return [null, `pixel (${r}, ${c}), which is no input`];
        const [id, text] = symbol(k);
        return [id, `${text}, pixel (${r}, ${c})`];
      },
      what: (r, c) => (input(r, c) < 0 ? {} : what(input(r, c))),
      mark: (selected) => {
        const k = selected.kind === "edge" ? selected.k : selected.layer === 0 ? selected.j : undefined;
        const p = k === undefined ? -1 : pixelOf(image, k);
        return p < 0 ? null : [Math.floor(p / columns), p % columns];
      },
    };
  }

  /** What choosing a pixel selects. @param {number} k @returns {Partial<Page.View>} */
  const input = (k) => ({ selected: { kind: "node", layer: 0, j: k } });

  /** The row that is shown, as a figure. @param {Page.Store} store @param {Page.ImageOfInputs} image */
  function rowFigure(store, image) {
    const row = matrix(
      image,
      pixels(store, image).map((value) => value || 0),
      { title: "The input", note: "as an image", symbol: () => [null, "value"], what: input },
    );
    const [low, high] = rangeOf(store, image);
    return DR.maps.figure(store, row, Math.max(Math.abs(low), Math.abs(high)), ink());
  }

  /**
   * The image that belongs to a selection, for the head of its derivation: a node's weights or
   * derivatives, else the row itself.
   *
   * @param {Page.Store} store @param {Page.ImageOfInputs} image
   */
  function selectedFigure(store, image) {
    const seen = store.seen(),
      { selected, sample } = store.state,
      { symbols } = DR.text;
    if (!selected || selected.kind === "cost" || selected.layer === 0) return rowFigure(seen, image);
    const { layer: l, j } = selected;
    const values = pictureOf(seen, image, l, j);
    const given =
      l === 1
        ? {
            title: `Weights into ${symbols.a(1, j)[1]}`,
            note: "one for each pixel",
            /** @param {number} k */
            symbol: (k) => symbols.w(1, j, k),
            what: (/** @type {number} */ k) => ({
              selected: /** @type {Page.Selection} */ ({ kind: "edge", layer: 1, j, k }),
            }),
          }
        : {
            title: `∂${symbols.a(l, j)[1]}/∂x`,
            note: `of each pixel, for sample ${sample}`,
            symbol: () => /** @type {[null, string]} */ ([null, "slope"]),
            what: input,
          };
    const own = matrix(image, values, given);
    return DR.maps.figure(store, own, DR.maps.largestOf(own), DR.maps.colours());
  }

  /** The figure of a store's selection, which follows the store; hidden where the inputs are no image. @param {Page.Store} store */
  function figure(store) {
    const box = el("div", { class: "image-view" });
    const show = () => {
      const image = of(store);
      box.hidden = image === null;
      if (image && !box.contains(document.activeElement)) box.replaceChildren(selectedFigure(store, image));
    };
    store.subscribe((_, changed) => {
      if (["selected", "sample", "state", "payload", "nudge"].some((key) => changed.has(key))) show();
    });
    document.addEventListener("deltarule-theme", show);
    show();
    return box;
  }

  /** The attributions of a row as an image. @param {Page.Store} store @param {Page.ImageOfInputs} image @param {Float64Array} values */
  function attributions(store, image, values) {
    const own = matrix(
      image,
      byPixel(image, (k) => values[k]),
      {
        title: "As an image",
        note: "one attribution for each pixel",
        symbol: () => [null, "attribution"],
        what: input,
      },
    );
    const picture = DR.maps.figure(store, own, DR.maps.largestOf(own), DR.maps.colours());
    return el("div", { class: "image-pair" }, picture, rowFigure(store, image));
  }

  /** A heading with the picture of the selection beside it. @param {HTMLElement} heading @param {Page.Store} store */
  const beside = (heading, store) =>
    el("div", { class: "panel-top" }, heading, DR.planeView.figure(store), figure(store));

  return { of, pixels, pictureOf, pixelOf, byPixel, matrix, paintRow, ink, chooser, attributions, beside };
})();
DR.images = imagesModule;

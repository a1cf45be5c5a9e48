// @ts-check
// Inputs that are the pixels of an image: rows, weights and derivatives as images.
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

  /**
   * A matrix of the heat maps (maps.js) with one entry for each pixel.
   *
   * @param {Page.ImageOfInputs} image @param {ArrayLike<number>} values
   * @param {{ title: string, note: string, symbol: (k: number) => [id: string | null, text: string],
   *   what: (k: number) => Partial<Page.View>, positive?: boolean }} words
   * @returns {Page.HeatMatrix}
   */
  function matrix(image, values, { title, note, symbol, what, positive }) {
    const [rows, columns] = image.shape;
    /** @param {number} r @param {number} c */
    const input = (r, c) => image.inputs[r * columns + c];
    return {
      title,
      rows,
      columns,
      note,
      positive,
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
    const [low, high] = rangeOf(store, image);
    const row = matrix(
      image,
      pixels(store, image).map((value) => value || 0),
      {
        title: "The input",
        note: "as an image",
        symbol: () => [null, "value"],
        what: input,
        positive: low >= 0,
      },
    );
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

  /**
   * The parts of the pixels in a prediction as an image, beside the row itself.
   *
   * @param {Page.Store} store @param {Page.ImageOfInputs} image
   * @param {ArrayLike<number>} values of each pixel, in the unit that `words` names
   * @param {string} [words]
   */
  function attributions(store, image, values, words = "") {
    const own = matrix(image, values, {
      title: "The part of each pixel",
      note: words,
      symbol: () => [null, "part"],
      what: input,
    });
    const picture = DR.maps.figure(store, own, DR.maps.largestOf(own), DR.maps.colours());
    return el("div", { class: "image-pair" }, picture, rowFigure(store, image));
  }

  /**
   * The mean sizes of attributions over rows as an image.
   *
   * @param {Page.Store} store @param {Page.ImageOfInputs} image
   * @param {{ name: string, value: number }[]} means by column, or by input where there is no table
   * @param {{ scale: number, words: string }} unit
   */
  function means(store, image, means, { scale, words }) {
    const { columns, names } = store.payload;
    const found = new Map(means.map(({ name, value }) => [name, Math.abs(scale) * value]));
    const values = image.columns
      ? Float64Array.from(image.columns, (c) => (c < 0 ? 0 : (found.get(columns[c].name) ?? 0)))
      : byPixel(image, (k) => found.get(names.inputs[k]) ?? 0);
    const own = matrix(image, values, {
      title: "The mean size of each pixel’s part",
      note: words,
      symbol: () => [null, "mean size"],
      what: input,
      positive: true,
    });
    const ofAll = DR.maps.figure(store, own, DR.maps.largestOf(own), DR.maps.colours());
    return el("div", { class: "image-pair" }, ofAll);
  }

  /**
   * The parts of the columns of a table by pixel; 0 where a pixel is no column.
   *
   * @param {Page.Store} store @param {Page.ImageOfInputs} image
   * @param {{ name: string, part: number }[]} parts @param {number} scale
   */
  function byColumn(store, { columns }, parts, scale) {
    const found = new Map(parts.map(({ name, part }) => [name, scale * part]));
    const names = store.payload.columns.map(({ name }) => name);
    return Float64Array.from(columns ?? [], (c) => (c < 0 ? 0 : (found.get(names[c]) ?? 0)));
  }

  /** A heading with the picture of the selection beside it. @param {HTMLElement} heading @param {Page.Store} store */
  const beside = (heading, store) =>
    el("div", { class: "panel-top" }, heading, DR.planeView.figure(store), figure(store));

  return {
    of,
    pixels,
    pictureOf,
    pixelOf,
    byPixel,
    byColumn,
    means,
    matrix,
    paintRow,
    ink,
    attributions,
    beside,
  };
})();
DR.images = imagesModule;

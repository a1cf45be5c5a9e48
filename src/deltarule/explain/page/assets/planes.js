// @ts-check
// What every node computes over a plane of inputs: its activation at the points of a grid.
//
// A network with two inputs has one such plane; with a single input there is a line, and a picture is
// the area below the curve of a. A page that has another one (two columns of a table,
// the others held) gives it as `store.plane`. Every point is a forward pass of driver.js.
"use strict";

const planesModule = (function () {
  const MARGIN = 0.06; // of the range of the rows, on each side

  /** The ends of an axis: of the values, and a margin. @param {number[]} values */
  function rangeOf(values) {
    const finite = values.filter(Number.isFinite);
    const low = Math.min(...finite),
      high = Math.max(...finite);
    if (!(high >= low)) return [-1, 1];
    const margin = MARGIN * (high - low) || 0.5;
    return [low - margin, high + margin];
  }

  /** @type {WeakMap<Page.DecodedArray, Page.Plane>} The planes of rows that were asked for before. */
  const known = new WeakMap();

  /**
   * The plane of a network's two inputs, or the line of its one, as wide as its rows; null where there
   * are more.
   *
   * @param {Page.Store} store @returns {Page.Plane | null}
   */
  function of(store) {
    if (store.plane !== undefined) return store.plane;
    const n0 = store.net.widths[0];
    if (n0 > 2) return null;
    const { X, n } = store.rows;
    let plane = known.get(X);
    if (!plane) {
      const rows = Array.from({ length: n }, (_, i) => DR.data.row(X, i));
      const [x0, x1] = rangeOf(rows.map((row) => row[0]));
      const [y0, y1] = n0 === 1 ? [-1, 1] : rangeOf(rows.map((row) => row[1]));
      plane = {
        ranges: [x0, x1, y0, y1],
        line: n0 === 1,
        at: (across, up) => (n0 === 1 ? [across] : [across, up]),
        place: (x) => [x[0], x[1] ?? 0],
      };
      known.set(X, plane);
    }
    return plane;
  }

  /**
   * a of the given nodes of every layer at side × side points, row by row from the top left, or at `side`
   * points of a line; without dropout. It yields after every row of points.
   *
   * @param {Page.Network} net @param {Float64Array} theta @param {Page.Plane} plane
   * @param {number[][]} nodes by layer @param {number} side
   * @returns {Generator<undefined, Float32Array[][], void>}
   */
  function* sampling(net, theta, plane, nodes, side) {
    const [x0, x1, y0, y1] = plane.ranges;
    const rows = plane.line ? 1 : side;
    const maps = nodes.map((list) => list.map(() => new Float32Array(rows * side)));
    // No layer after the last one asked for is needed.
    const L = nodes.reduce((last, list, l) => (list.length ? l : last), 0);
    const part = { ...net, L },
      A = DR.driver.block(part, side);
    for (let r = 0; r < rows; ++r) {
      const up = y1 + ((y0 - y1) * (r + 0.5)) / side;
      for (let c = 0; c < side; ++c) {
        const x = plane.at(x0 + ((x1 - x0) * (c + 0.5)) / side, up);
        for (let k = 0; k < x.length; ++k) A[0][k][c] = x[k];
      }
      DR.driver.forwardBlock(part, theta, A);
      for (let l = 0; l <= L; ++l)
        nodes[l].forEach((j, at) => {
          maps[l][at].set(A[l][j], r * side);
        });
      yield;
    }
    return maps;
  }

  /**
   * `sampling` in one go.
   *
   * @param {Page.Network} net @param {Float64Array} theta @param {Page.Plane} plane
   * @param {number[][]} nodes @param {number} side @returns {Float32Array[][]}
   */
  function sample(net, theta, plane, nodes, side) {
    const work = sampling(net, theta, plane, nodes, side);
    for (;;) {
      const next = work.next();
      if (next.done) return next.value;
    }
  }

  /**
   * Calls `done` with what a generator returns; it runs for some milliseconds at a time. Returns a
   * function that stops it.
   *
   * @template T
   * @param {Generator<undefined, T, void>} work @param {(result: T) => void} done @param {number} [slice]
   */
  function later(work, done, slice = 8) {
    let timer = setTimeout(go, 0);
    function go() {
      const end = performance.now() + slice;
      for (;;) {
        const next = work.next();
        if (next.done) return done(next.value);
        if (performance.now() > end) break;
      }
      timer = setTimeout(go, 0);
    }
    return () => clearTimeout(timer);
  }

  /**
   * The a of a layer's nodes at z = 0, which its pictures show without a colour: 0 for tanh, 0.5 for
   * the logistic function, 1/n for softmax.
   *
   * @param {Page.Network} net @param {number} l
   */
  function middleOf(net, l) {
    if (l === 0) return 0;
    const [value] = Array.from(net.formulas.value[l](new Float64Array(net.widths[l])));
    return Number.isFinite(value) ? value : 0;
  }

  /** The largest distance of finite numbers from a middle. @param {ArrayLike<number>[]} maps @param {number} middle */
  function mostOf(maps, middle) {
    let most = 0;
    for (const map of maps)
      for (let p = 0; p < map.length; ++p) {
        const size = Math.abs(map[p] - middle);
        if (size > most && size < Infinity) most = size;
      }
    return most;
  }

  /**
   * The area between a curve and its middle, as a map of side × side points; one over a plane as it is.
   *
   * @param {Float32Array} map @param {{ middle: number, most: number }} scale @param {number} side
   */
  function filled(map, { middle, most }, side) {
    if (map.length !== side) return map;
    return Float32Array.from({ length: side * side }, (_, p) => {
      const level = most * (1 - (2 * (Math.floor(p / side) + 0.5)) / side),
        value = map[p % side] - middle;
      const inside = value > 0 ? level > 0 && level < value : level < 0 && level > value;
      return middle + (inside ? Math.sign(value) * most : 0);
    });
  }

  /**
   * Writes numbers as pixels: no colour at the middle, orange above it, blue below.
   *
   * @param {Uint8ClampedArray} data of an image @param {number} first the number of its first pixel
   * @param {number} wide pixels in a row of the image @param {ArrayLike<number>} map
   * @param {number} columns of the map @param {{ middle: number, most: number }} scale
   * @param {Page.Ink} ink @param {number} [strength]
   */
  function paint(data, first, wide, map, columns, { middle, most }, ink, strength = 0.85) {
    for (let p = 0; p < map.length; ++p) {
      const value = map[p] - middle,
        fine = Number.isFinite(value);
      const end = fine ? (value < 0 ? ink.negative : ink.positive) : ink.none;
      const t = fine ? (most > 0 ? strength * (Math.abs(value) / most) ** 0.6 : 0) : 1;
      const at = 4 * (first + Math.floor(p / columns) * wide + (p % columns));
      for (let q = 0; q < 3; ++q) data[at + q] = ink.zero[q] + t * (end[q] - ink.zero[q]);
      data[at + 3] = 255;
    }
  }

  return { of, sampling, sample, later, middleOf, mostOf, filled, paint };
})();
DR.planes = planesModule;

// @ts-check
// The built-in data, drawn as playground/data.py draws them, and the choice of held-out rows.
"use strict";

const datasetsModule = (function () {
  const { generator, STREAM } = DR.random;

  /** Rounded as Python rounds: halves to the even number. @param {number} value */
  function rounded(value) {
    const nearest = Math.round(value);
    return Math.abs(value % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
  }

  /**
   * The numbers of the rows to hold out, sorted, with the same share of each class; null for none.
   *
   * @param {ArrayLike<number>} y @param {number} share @param {number} seed @param {boolean} classes
   */
  function heldOut(y, share, seed, classes) {
    const n = y.length;
    if (!share) return null;
    const count = Math.min(Math.max(rounded(share * n), 1), n - 1);
    let order = [...generator(seed, [STREAM.split]).permutation(n)];
    if (classes) {
      // The rank of a row is its place within its class, scaled to (0, 1).
      /** @type {Map<number, number>} */
      const sizes = new Map(),
        seen = new Map();
      for (const row of order) sizes.set(y[row], (sizes.get(y[row]) ?? 0) + 1);
      const ranked = order.map((row) => {
        const place = seen.get(y[row]) ?? 0;
        seen.set(y[row], place + 1);
        return { row, rank: (place + 0.5) / /** @type {number} */ (sizes.get(y[row])) };
      });
      order = ranked.sort((a, b) => a.rank - b.rank).map(({ row }) => row);
    }
    return Int32Array.from(order.slice(0, count)).sort();
  }

  /** @typedef {ReturnType<typeof generator>} Generator */
  /** @typedef {{ points: Float64Array, width: number, y: Float64Array }} Points */

  /** @param {number} rows @param {(i: number) => [number, number]} at */
  function plane(rows, at) {
    const points = new Float64Array(2 * rows);
    for (let i = 0; i < rows; ++i) points.set(at(i), 2 * i);
    return points;
  }
  /** @param {number} rows */
  const turns = (rows) => Float64Array.from({ length: rows }, (_, i) => i % 2);

  /** @type {Record<string, (random: Generator, rows: number) => Points>} */
  const GENERATORS = {
    xor(random, rows) {
      const size = random.uniform(0.1, 1, 2 * rows),
        sign = random.either([-1, 1], 2 * rows);
      const points = size.map((value, i) => value * sign[i]);
      const y = Float64Array.from({ length: rows }, (_, i) => Number(points[2 * i] * points[2 * i + 1] < 0));
      return { points, width: 2, y };
    },
    spirals(random, rows) {
      const y = turns(rows),
        along = random.uniform(0.01, 1, rows).map(Math.sqrt);
      const points = plane(rows, (i) => {
        const angle = 3.5 * Math.PI * along[i] + Math.PI * y[i];
        return [along[i] * Math.sin(angle), along[i] * Math.cos(angle)];
      });
      return { points, width: 2, y };
    },
    circles(random, rows) {
      const y = turns(rows);
      const inner = random.uniform(0, 0.45, rows),
        outer = random.uniform(0.65, 1, rows),
        angle = random.uniform(0, 2 * Math.PI, rows);
      const points = plane(rows, (i) => {
        const radius = y[i] ? inner[i] : outer[i];
        return [radius * Math.cos(angle[i]), radius * Math.sin(angle[i])];
      });
      return { points, width: 2, y };
    },
    moons(random, rows) {
      const y = turns(rows),
        angle = random.uniform(0, 1, rows).map((u) => Math.PI * u);
      const points = plane(rows, (i) => {
        const side = 1 - 2 * y[i];
        return [
          (Math.cos(angle[i]) * side - 0.5 * side) / 1.5,
          (Math.sin(angle[i]) * side - 0.25 * side) / 1.5,
        ];
      });
      return { points, width: 2, y };
    },
    digits(random, rows) {
      const { digits } = DR.catalogue;
      const pixels = atob(digits.pixels),
        all = digits.labels.length;
      const chosen = random.permutation(all).subarray(0, rows);
      const points = new Float64Array(64 * chosen.length);
      chosen.forEach((row, i) => {
        for (let k = 0; k < 64; ++k) points[64 * i + k] = pixels.charCodeAt(64 * row + k) / 16;
      });
      return { points, width: 64, y: Float64Array.from(chosen, (row) => Number(digits.labels[row])) };
    },
  };

  /**
   * Rows and targets in float32 precision, as Python's playground has them.
   *
   * @param {Pick<Static.Data, "X" | "y" | "target" | "inputs" | "axes">} table @param {number} share @param {number} seed @returns {Static.Data}
   */
  function data(table, share, seed) {
    const { X, y, target, inputs, axes } = table;
    const held = heldOut(y, share, seed, target.classes.length > 0);
    return { X, y, held, trained: others(held, y.length), inputs, axes, target, notes: [] };
  }

  /** The rows that are not held out. @param {Int32Array | null} held @param {number} n */
  function others(held, n) {
    const out = new Set(held ?? []);
    return Int32Array.from(Array.from({ length: n }, (_, i) => i).filter((row) => !out.has(row)));
  }

  /**
   * Built-in data; the same settings give the same data as in Python.
   *
   * @param {Live.Settings} settings @returns {Static.Data}
   */
  function builtin({ data: name, rows, noise, held, seed }) {
    const random = generator(seed, [STREAM.data]);
    const { points, width, y } = GENERATORS[name](random, rows);
    const errors = random.normal(points.length);
    const values = points.map((value, i) => Math.fround(value + noise * errors[i]));
    const { inputs, target, classes } = DR.catalogue.builtin[name];
    return data(
      {
        X: { shape: [y.length, width], values },
        y,
        inputs,
        axes: inputs.map((input, k) => ({
          name: input,
          inputs: [k],
          levels: [],
          date: false,
          offset: 0,
          scale: 1,
        })),
        target: { name: target, classes, mean: 0, scale: 1 },
      },
      held,
      seed,
    );
  }

  return { builtin, data, heldOut, others };
})();
DR.datasets = datasetsModule;

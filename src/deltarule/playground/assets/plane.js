// @ts-check
// The plane of the decision surface in the static playground: its grid, its points, its levels
// (decision_surface.py and run_view.py do the same for the served one).
"use strict";

const planeModule = (function () {
  /** Points along a side of the surface: when paused, during training, of large networks. */
  const SIDES = { fine: 192, usual: 96, coarse: 48 };
  /** The most multiplications of a surface: some milliseconds, and some tenths of a second. */
  const MOST_WORK = { moving: 4e6, paused: 2e8 };
  const MOST_POINTS = 800,
    JITTER = 0.7;

  /** At most `most` of the numbers from 0 to count − 1, evenly spaced. @param {number} count @param {number} most */
  function evenly(count, most) {
    if (count <= most) return Array.from({ length: count }, (_, i) => i);
    return Array.from({ length: most }, (_, i) => Math.trunc((i * (count - 1)) / (most - 1)));
  }

  /** @param {Static.Data} data @param {number} i @param {number} k */
  const cell = ({ X }, i, k) => X.values[i * X.shape[1] + k];

  /**
   * The two axes that explain most of the target's variance, each taken alone.
   *
   * @param {Static.Data} data @returns {[x: number, y: number]}
   */
  function suggested(data) {
    const { axes, y, target } = data,
      n = y.length;
    if (axes.length <= 2) return [0, axes.length === 2 ? 1 : -1];
    const parts = target.classes.length
      ? target.classes.map((_, c) => {
          const size = Math.max(
            1,
            y.reduce((sum, value) => sum + Number(value === c), 0),
          );
          return y.map((value) => Number(value === c) / Math.sqrt(size));
        })
      : [y];
    const centred = parts.map((values) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / n;
      return values.map((value) => value - mean);
    });
    const chance = centred.reduce((sum, values) => sum + values.reduce((s, v) => s + v * v, 0), 0) / n;
    const explained = axes.map(({ inputs, levels }) => {
      let total = 0;
      for (const k of inputs) {
        let mean = 0,
          size = 0;
        if (!levels.length) for (let i = 0; i < n; ++i) mean += cell(data, i, k) / n;
        const products = new Float64Array(centred.length);
        for (let i = 0; i < n; ++i) {
          const x = cell(data, i, k) - mean;
          size += x * x;
          for (let c = 0; c < centred.length; ++c) products[c] += x * centred[c][i];
        }
        if (size > 0) total += products.reduce((sum, product) => sum + (product * product) / size, 0);
      }
      return total - chance * Math.max(levels.length - 1, 1);
    });
    const order = axes.map((_, i) => i).sort((a, b) => explained[b] - explained[a]);
    return [order[0], order[1]];
  }

  /** @param {number} low @param {number} high @returns {[number, number]} */
  function padded(low, high) {
    const margin = 0.06 * (high - low) || 0.5;
    return [low - margin, high + margin];
  }

  /** @param {ArrayLike<number>} values @returns {[number, number]} */
  function ends(values) {
    let low = Infinity,
      high = -Infinity;
    for (let i = 0; i < values.length; ++i) {
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    return [low, high];
  }

  /** @param {Static.Data} data @param {Static.Axis} axis @returns {[number, number]} */
  function range(data, { inputs, levels }) {
    if (levels.length) return [-0.5, levels.length - 0.5];
    return padded(...ends(data.y.map((_, i) => cell(data, i, inputs[0]))));
  }

  /** @param {Float64Array} row @param {Static.Axis} axis @param {number} value */
  function set(row, { inputs, levels }, value) {
    if (!levels.length) {
      row[inputs[0]] = value;
      return;
    }
    const level = Math.min(Math.max(Math.round(value), 0), levels.length - 1);
    inputs.forEach((k, j) => {
      row[k] = Number(j === level);
    });
  }

  /**
   * The plane through two axes, or null where there are no such axes.
   *
   * @param {Static.Data} data @param {number} x @param {number} y @param {string} hold
   * @returns {Static.Plane | null}
   */
  function through(data, x, y, hold) {
    const { axes, trained } = data,
      n = axes.length;
    const whole = Number.isInteger(x) && Number.isInteger(y) && ["mean", "median"].includes(hold);
    if (!whole || x < 0 || x >= n || (n === 1 ? y !== -1 : y < 0 || y >= n || x === y)) return null;
    const width = data.X.shape[1];
    const fixed = Float64Array.from({ length: width }, (_, k) => {
      const column = Float64Array.from(trained, (i) => cell(data, i, k));
      if (hold === "mean") return Math.fround(column.reduce((sum, value) => sum + value, 0) / column.length);
      column.sort();
      return Math.fround((column[(column.length - 1) >> 1] + column[column.length >> 1]) / 2);
    });
    const [low, high] = range(data, axes[x]);
    const [bottom, top] = n === 1 ? padded(...ends(data.y)) : range(data, axes[y]);
    return { x, y, hold, ranges: [low, high, bottom, top], fixed };
  }

  /**
   * The outputs at the points of a grid, row by row from the top left.
   *
   * @param {Static.Data} data @param {Static.Plane} plane @param {number} side
   * @param {Page.Network} net @param {Float64Array} theta
   */
  function outputs({ axes, derived }, plane, side, net, theta) {
    const [low, high, bottom, top] = plane.ranges;
    const A = DR.driver.block(net, side),
      last = A[net.L],
      n = last.length;
    const out = new Float64Array(side * side * n),
      row = Float64Array.from(plane.fixed),
      given = row.length - derived.length;
    const formulas = derived.map((name) => DR.derived[name]);
    for (let r = 0; r < side; ++r) {
      for (let c = 0; c < side; ++c) {
        set(row, axes[plane.x], low + ((high - low) * c) / (side - 1));
        if (plane.y >= 0) set(row, axes[plane.y], top + ((bottom - top) * r) / (side - 1));
        for (let k = 0; k < formulas.length; ++k) row[given + k] = formulas[k](row[0], row[1]);
        for (let k = 0; k < row.length; ++k) A[0][k][c] = row[k];
      }
      DR.driver.forwardBlock(net, theta, A);
      for (let c = 0; c < side; ++c) for (let j = 0; j < n; ++j) out[(r * side + c) * n + j] = last[j][c];
    }
    return out;
  }

  /**
   * Positions along an axis; NaN for a level that no training row has. Rows of one level are spread.
   *
   * @param {Static.Data} data @param {Static.Axis} axis @param {number} i @param {number} ratio
   */
  function position(data, { inputs, levels }, i, ratio) {
    if (!levels.length) return cell(data, i, inputs[0]);
    const level = inputs.findIndex((k) => cell(data, i, k) > 0);
    return level < 0 ? NaN : level + (((i * ratio) % 1) - 0.5) * JITTER;
  }

  /**
   * Positions and targets of the rows that are drawn as points.
   *
   * @param {Static.Data} data @param {Static.Plane} plane @returns {Live.Run["points"]}
   */
  function points(data, plane) {
    const held = new Set(data.held ?? []);
    /** @type {Live.Run["points"]} */
    const out = { x: [], y: [], value: [], held: [], row: [] };
    for (const i of evenly(data.y.length, MOST_POINTS)) {
      const x = position(data, data.axes[plane.x], i, 0.6180339887);
      const y = plane.y < 0 ? data.y[i] : position(data, data.axes[plane.y], i, 0.7548776662);
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      out.x.push(x);
      out.y.push(y);
      out.value.push(data.y[i]);
      out.held.push(Number(held.has(i)));
      out.row.push(i);
    }
    return out;
  }

  /** A share from 0 to 1 as a byte; NaN is in the middle. @param {number} share */
  const byte = (share) => Math.round(255 * Math.min(Math.max(Number.isNaN(share) ? 0.5 : share, 0), 1));

  /** @param {Float64Array} values @param {number} low @param {number} wide */
  function bytes(values, low, wide) {
    const out = new Uint8Array(values.length);
    for (let i = 0; i < out.length; ++i) out[i] = byte((values[i] - low) / wide);
    return out;
  }

  /**
   * What is painted at each place: one byte, and the class where there are more than two.
   *
   * @param {Static.Data} data @param {Float64Array} output of the grid's rows, one after the other
   * @param {number} n the outputs of one row
   * @returns {{ level: Uint8Array, class?: Uint8Array }}
   */
  function levels(data, output, n) {
    const classes = data.target.classes.length;
    if (!classes) {
      const [low, high] = ends(data.y);
      return { level: bytes(output, low, high - low || 1) };
    }
    if (n === 1) return { level: bytes(output, 0, 1) };
    const level = new Uint8Array(output.length / n),
      best = new Uint8Array(output.length / n);
    for (let i = 0; i < level.length; ++i) {
      const row = output.subarray(i * n, (i + 1) * n);
      const total = row.reduce((sum, value) => sum + value, 0) || 1;
      let top = 0;
      for (let c = 1; c < n; ++c) if (row[c] > row[top]) top = c;
      level[i] = byte((n === 2 ? row[1] : row[top]) / total);
      best[i] = top;
    }
    return n === 2 ? { level } : { level, class: best };
  }

  /** @param {Page.Network} net @param {boolean} moving */
  function sideFor({ widths }, moving) {
    const { fine, usual, coarse } = SIDES;
    const work = widths.slice(1).reduce((sum, width, l) => sum + width * widths[l], 0);
    if (moving) return usual * usual * work <= MOST_WORK.moving ? usual : coarse;
    return fine * fine * work <= MOST_WORK.paused ? fine : usual;
  }

  return { sideFor, suggested, through, outputs, points, levels, ends, evenly };
})();
DR.plane = planeModule;

// @ts-check
// How much each input contributes to an output, or to the loss, of one row.
//
//   gradient × input       A_k = (x_k − x′_k) ∂f/∂x_k (x)
//   integrated gradients   A_k = (x_k − x′_k) ∫₀¹ ∂f/∂x_k (x′ + t (x − x′)) dt
//
// Integrated gradients add to f(x) − f(x′); the difference is the error of the integration, and is
// shown. ∂f/∂x comes from the driver's backward pass: an output is the cost of a network whose
// loss is that output, Σ_j y_j a_j with one y_j of 1 among zeros.
"use strict";

const attributionsModule = (function () {
  const { sum } = DR.driver;
  // The points and weights of Gauss-Legendre quadrature with eight points on [0, 1].
  const NODES = [
    [0.1834346424956498, 0.362683783378362],
    [0.525532409916329, 0.3137066458778873],
    [0.7966664774136267, 0.2223810344533745],
    [0.9602898564975363, 0.1012285362903763],
  ].flatMap(([node, weight]) => [
    [(1 - node) / 2, weight / 2],
    [(1 + node) / 2, weight / 2],
  ]);
  const PASSES = 2e8; // points times parameters that one row may take
  const LEAST_POINTS = 50;
  const SLICE = 12; // milliseconds
  const SHORTEST = 2 ** -40;
  const PER_PIECE = 10; // eight points and both ends
  const MARGIN = 1e-6; // a cut nearer to an end, by the piece's length, would leave it as it is

  /** @type {Page.LossFunction} */
  const theOutput = (a, y) => [a.map((value, j) => (y[j] === 0 ? 0 : y[j] * value)), y];

  /**
   * The layers of a network up to l, whose cost is Σ_j y_j a_j.
   *
   * @param {Page.Network} net @param {number} l @returns {Page.Network}
   */
  const upTo = (net, l) => ({
    ...net,
    L: l,
    formulas: { ...net.formulas, from_output: theOutput, from_input: null },
  });

  /** ∂a_j^l/∂x at the row that is shown, with its dropout. @param {Page.Store} store @param {number} l @param {number} j */
  function slopeOf(store, l, j) {
    const net = upTo(store.net, l);
    const pass = store.pass();
    const mask = pass.masks?.[l];
    const y = Float64Array.from({ length: net.widths[l] }, (_, m) => (m === j ? (mask?.[j] ?? 1) : 0));
    return DR.driver.backward(net, store.theta(), pass, y).dX;
  }

  /**
   * f and ∂f/∂x at a point, for `of` "loss" or the number of an output; without dropout.
   *
   * @typedef {(x: Float64Array) => { value: number, slope: Float64Array, Z: Float64Array[] }} Differentiated
   * @param {Page.Store} store @param {"loss" | number} of @returns {Differentiated}
   */
  function functionOf(store, of) {
    const theta = store.theta();
    const net = of === "loss" ? store.net : upTo(store.net, store.net.L);
    const y =
      of === "loss"
        ? store.y()
        : Float64Array.from({ length: net.widths[net.L] }, (_, j) => Number(j === of));
    return (x) => {
      const passed = DR.driver.forward(net, theta, x);
      const { loss, dX } = DR.driver.backward(net, theta, passed, y);
      return { value: loss, slope: dX, Z: passed.Z };
    };
  }

  /** The number of the largest output. @param {Page.Store} store */
  function largest(store) {
    const a = DR.driver.forward(store.net, store.theta(), store.x()).A[store.net.L];
    return a.reduce((best, value, j) => (value > a[best] ? j : best), 0);
  }

  /** x′: zeros, or the weighted mean of all rows. @param {Page.Store} store @param {string} name */
  function baselineOf(store, name) {
    const start = new Float64Array(store.net.widths[0]);
    if (name !== "mean") return start;
    const { X, w, n, mean } = store.rows;
    if (mean) return Float64Array.from(mean);
    const total = sum(w);
    if (!(total > 0)) return start;
    for (let i = 0; i < n; ++i) {
      const row = DR.data.row(X, i);
      for (let k = 0; k < start.length; ++k) start[k] += (w[i] / total) * row[k];
    }
    return start;
  }

  /**
   * The pairs [layer, z] of the activations' kinks, in the order of layers.
   *
   * @param {Page.Network} net @returns {[layer: number, z: number][]}
   */
  const kinksOf = (net) => net.kinks.flatMap((kinks, layer) => kinks.map((kink) => [layer, kink]));

  /**
   * Where to divide a piece: at a kink of the first layer that has one, the nearest to the middle, else
   * in the middle. Along a line z^1 is linear in t, and so is z^l between the kinks of the layers before.
   *
   * @typedef {{ low: number, high: number, values: Float64Array, cut: number, error: number, size: number }} Piece
   * @param {[layer: number, z: number][]} kinks
   * @param {number[]} times
   * @param {{ Z: Float64Array[] }[]} passes
   */
  function cutOf(kinks, times, passes) {
    const low = times[0],
      high = times[times.length - 1],
      middle = (low + high) / 2;
    const margin = MARGIN * (high - low);
    for (const [layer, kink] of kinks) {
      /** @type {number | null} */
      let best = null;
      for (let p = 1; p < times.length; ++p) {
        const before = passes[p - 1].Z[layer],
          after = passes[p].Z[layer];
        for (let j = 0; j < after.length; ++j) {
          if (before[j] > kink === after[j] > kink) continue;
          const share = (before[j] - kink) / (before[j] - after[j]);
          const t = times[p - 1] + share * (times[p] - times[p - 1]);
          const inside = t > low + margin && t < high - margin;
          if (inside && (best === null || Math.abs(t - middle) < Math.abs(best - middle))) best = t;
        }
      }
      if (best !== null) return best;
    }
    return middle;
  }

  /**
   * A_k of the piece [low, high] of the way, the error by completeness, and where to divide it.
   *
   * @param {Differentiated} f
   * @param {Float64Array} start
   * @param {Float64Array} way
   * @param {[layer: number, z: number][]} kinks
   * @param {number} low
   * @param {number} high
   * @returns {Piece}
   */
  function piece(f, start, way, kinks, low, high) {
    const times = [low, ...NODES.map(([node]) => low + (high - low) * node), high];
    const passes = times.map((t) => f(way.map((d, k) => start[k] + t * d)));
    const values = new Float64Array(way.length);
    NODES.forEach(([, weight], p) => {
      const { slope } = passes[p + 1];
      for (let k = 0; k < values.length; ++k) values[k] += weight * slope[k] * way[k] * (high - low);
    });
    const first = passes[0].value,
      last = passes[passes.length - 1].value;
    const error = Math.abs(sum(values) - (last - first));
    return {
      low,
      high,
      values,
      cut: cutOf(kinks, times, passes),
      error: Number.isFinite(error) ? error : Infinity,
      size: Math.max(Math.abs(first), Math.abs(last)),
    };
  }

  /**
   * The integral, refined on the pieces with the largest errors. The error of a piece is known by
   * completeness, so that pieces with a kink of a ReLU are found and divided at the kink. It yields
   * between pieces, so that the page can respond.
   *
   * @param {Differentiated} f
   * @param {Float64Array} start
   * @param {Float64Array} way
   * @param {[layer: number, z: number][]} kinks
   * @param {number} tolerance
   * @param {number} most
   * @returns {Generator<undefined, { values: Float64Array, points: number, converged: boolean }, void>}
   */
  function* integrated(f, start, way, kinks, tolerance, most) {
    let pieces = [piece(f, start, way, kinks, 0, 1)];
    let points = PER_PIECE;
    for (;;) {
      const values = way.map((_, k) => sum(pieces.map((each) => each.values[k])));
      const size = Math.max(...pieces.map((each) => each.size));
      const scale = sum(values.map(Math.abs));
      const wanted = Math.max(tolerance * scale, 64 * Number.EPSILON * size);
      const allowed = Number.isFinite(wanted) ? wanted : 0;
      const converged = sum(pieces.map((each) => each.error)) <= allowed;
      /** @param {Piece} each */
      const long = (each) => each.high - each.low > SHORTEST;
      const bad = converged
        ? []
        : pieces
            .filter((each) => each.error > allowed * (each.high - each.low) && long(each))
            .sort((a, b) => b.error - a.error)
            .slice(0, Math.max(0, Math.floor((most - points) / (2 * PER_PIECE))));
      if (!bad.length) return { values, points, converged };
      points += 2 * PER_PIECE * bad.length;
      const divided = new Set(bad);
      pieces = pieces.filter((each) => !divided.has(each));
      for (const { low, high, cut } of bad) {
        pieces.push(piece(f, start, way, kinks, low, cut), piece(f, start, way, kinks, cut, high));
        yield;
      }
    }
  }

  /**
   * The attributions of the sample that is shown, step by step; see `attribute`.
   *
   * @param {Page.Store} store @param {Page.AttributionOptions} options
   * @returns {Generator<undefined, Page.Attribution, void>}
   */
  function* attributing(
    store,
    { of = "largest", method = "integrated", baseline = "zeros", tolerance = 1e-6 } = {},
  ) {
    const which = of === "largest" ? largest(store) : of;
    const f = functionOf(store, which);
    const x = store.x(),
      start = baselineOf(store, baseline);
    const way = Float64Array.from(x, (value, k) => value - start[k]);
    const { value, slope } = f(x);
    const before = f(start).value;
    const most = PASSES / store.net.p;
    const integrates = method !== "gradient" && most >= LEAST_POINTS;
    const found = integrates
      ? yield* integrated(f, start, way, kinksOf(store.net), tolerance, most)
      : { values: way.map((d, k) => d * slope[k]), points: 1, converged: true };
    const error = sum(found.values) - (value - before);
    return { ...found, value, before, error, of: which, method: integrates ? "integrated" : "gradient" };
  }

  /**
   * The attributions of the sample that is shown. The method of the result is "gradient" where the
   * network is too large to integrate.
   *
   * @param {Page.Store} store @param {Page.AttributionOptions} [options] @returns {Page.Attribution}
   */
  const attribute = (store, options = {}) => {
    const steps = attributing(store, options);
    for (;;) {
      const next = steps.next();
      if (next.done) return next.value;
    }
  };

  /**
   * Computes attributions a few milliseconds at a time and calls `done` with them; returns a function
   * that cancels it.
   *
   * @param {Page.Store} store
   * @param {Page.AttributionOptions} options
   * @param {(found: Page.Attribution) => void} done
   */
  const attributeLater = (store, options, done) => {
    const steps = attributing(store, options);
    let timer = setTimeout(go, 0);
    function go() {
      const end = performance.now() + SLICE;
      for (;;) {
        const next = steps.next();
        if (next.done) {
          done(next.value);
          return;
        }
        if (performance.now() > end) break;
      }
      timer = setTimeout(go, 0);
    }
    return () => clearTimeout(timer);
  };

  return { attribute, attributeLater, slopeOf };
})();
DR.attribute = attributionsModule.attribute;
DR.slopeOf = attributionsModule.slopeOf;
DR.attributeLater = attributionsModule.attributeLater;

// @ts-check
// The forward and the backward pass, in float64, one sample at a time.
//
//   z^l = W^l a^{l-1} + b^l,   a^l = g^l(z^l)                      (F3, F4)
//   δ^L = ∂C_i/∂z^L,   δ^l = (W^{l+1}ᵀ δ^{l+1}) ⊙ g^l′(z^l)        (F6 to F15)
//
// The formulas g, g′ and the loss are not written here: they are printed from the library's own
// (DR.formulas). All derivatives of a pass are those of one sample's loss C_i; the weight w_i of
// the sample enters in `gradient` and nowhere else.
"use strict";

const driverModule = (function () {
  /**
   * A formula of up to three numbers, (z), (z, a) or (z, a, up), as one of arrays.
   *
   * @param {(z: number, a: number, up: number) => number} f @returns {Page.VectorFunction}
   */
  function each(f) {
    return (z, a = z, up = z) => z.map((_, j) => f(z[j], a[j], up[j]));
  }

  /**
   * A loss of two numbers, which gives [term, derivative], as one of arrays.
   *
   * @param {(x: number, y: number) => [term: number, derivative: number]} f
   * @returns {Page.LossFunction}
   */
  function eachPair(f) {
    return (x, y) => {
      const term = new Float64Array(x.length);
      const derivative = new Float64Array(x.length);
      for (let j = 0; j < x.length; ++j) [term[j], derivative[j]] = f(x[j], y[j]);
      return [term, derivative];
    };
  }

  /**
   * The description of a network with the places of its parameters, as a pass needs it.
   *
   * W[l] and b[l] say where a layer's parameters begin in θ; w_jk^l is θ[W[l] + j n_{l-1} + k].
   *
   * @param {Page.NetworkDescription} description @param {Page.Formulas} formulas @returns {Page.Network}
   */
  function network(description, formulas) {
    const L = description.widths.length - 1;
    const { blocks } = description;
    const p = Math.max(...blocks.map((block) => block.stop));
    const net = { ...description, L, p, formulas, W: Array(L + 1).fill(null), b: Array(L + 1).fill(null) };
    for (const block of blocks) net[block.kind][block.layer] = block.start;
    return net;
  }

  /**
   * Where w_jk^l stands in θ.
   *
   * @param {Page.Network} net @param {number} l @param {number} j @param {number} k
   */
  const weightAt = (net, l, j, k) => net.W[l] + j * net.widths[l - 1] + k;

  /** The index of b_j^l in θ, in a network that has biases. @param {Page.Network} net @param {number} l @param {number} j */
  const biasAt = (net, l, j) => /** @type {number} */ (net.b[l]) + j;

  /**
   * z^l and a^l of every layer; G[l] is g^l(z^l), which is a^l but for dropout (`masks`).
   *
   * `shift` adds `by` to one z, for finite differences.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {ArrayLike<number>} x
   * @param {Page.RowMasks} [masks]
   * @param {{ layer: number, j: number, by: number } | null} [shift]
   * @returns {Page.ForwardPass}
   */
  function forward(net, theta, x, masks = null, shift = null) {
    /** @type {Float64Array[]} */
    const Z = Array(1).fill(null);
    const A = [Float64Array.from(x)];
    const G = [A[0]];
    for (let l = 1; l <= net.L; ++l) {
      const inputs = A[l - 1],
        n = inputs.length;
      const z = new Float64Array(net.widths[l]);
      const bias = net.b[l];
      for (let j = 0, at = net.W[l]; j < z.length; ++j, at += n) {
        let sum = 0;
        for (let k = 0; k < n; ++k) sum += theta[at + k] * inputs[k];
        z[j] = bias === null ? sum : sum + theta[bias + j];
      }
      if (shift && shift.layer === l) z[shift.j] += shift.by;
      const g = Float64Array.from(net.formulas.value[l](z));
      const mask = masks?.[l];
      Z.push(z);
      G.push(g);
      A.push(mask ? g.map((value, j) => value * mask[j]) : g);
    }
    return { Z, A, G, masks };
  }

  /**
   * The loss at the output: C_i by outputs, ∂C_i/∂a^L and δ^L.
   *
   * For a fused pair of loss and activation, terms and δ are computed from z, which is exact at any
   * size of z, even where ∂C_i/∂a has overflowed.
   *
   * @param {Page.Network} net @param {Page.ForwardPass} passed @param {ArrayLike<number>} y
   */
  function atOutput(net, passed, y) {
    const { formulas, L } = net;
    const z = passed.Z[L],
      a = passed.G[L];
    const [byOutput, up] = formulas.from_output(a, y);
    const [terms, delta] = formulas.from_input
      ? formulas.from_input(z, y)
      : [byOutput, formulas.pullback[L](z, a, up)];
    return { terms: Float64Array.from(terms), up: Float64Array.from(up), delta: Float64Array.from(delta) };
  }

  /**
   * Every derivative of one sample's loss, from a forward pass.
   *
   * up[l] is ∂C_i/∂a^l, slope[l] is g^l′(z^l) (null for softmax, which has none), delta[l] is
   * ∂C_i/∂z^l, dX is ∂C_i/∂x. F13 is the inner sum below, over all nodes j of layer l.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Page.ForwardPass} passed
   * @param {ArrayLike<number>} y
   * @returns {Page.BackwardPass}
   */
  function backward(net, theta, passed, y) {
    const { L, widths } = net;
    const { terms, up: upL, delta: deltaL } = atOutput(net, passed, y);
    const up = Array(L + 1).fill(null),
      slope = Array(L + 1).fill(null),
      delta = Array(L + 1).fill(null);
    up[L] = upL;
    delta[L] = deltaL;
    for (let l = L; l >= 1; --l) {
      const n = widths[l - 1];
      const down = new Float64Array(n);
      for (let j = 0, at = net.W[l]; j < widths[l]; ++j, at += n) {
        const d = delta[l][j];
        for (let k = 0; k < n; ++k) down[k] += d * theta[at + k];
      }
      up[l - 1] = down;
      if (l === 1) break;
      const mask = passed.masks?.[l - 1];
      const upG = mask ? down.map((value, k) => value * mask[k]) : down;
      delta[l - 1] = Float64Array.from(net.formulas.pullback[l - 1](passed.Z[l - 1], passed.G[l - 1], upG));
    }
    for (let l = 1; l <= L; ++l) {
      const g = net.formulas.slope[l];
      slope[l] = g ? Float64Array.from(g(passed.Z[l], passed.G[l])) : null;
    }
    return { loss: sum(terms), terms, up, slope, delta, dX: up[0] };
  }

  /** The sum, added in order as Python's reference does. @param {Iterable<number>} values */
  function sum(values) {
    let total = 0;
    for (const value of values) total += value;
    return total;
  }

  /**
   * Adds weight · ∂C_i/∂θ to grad: ∂C_i/∂w_jk^l = δ_j^l a_k^{l-1}, ∂C_i/∂b_j^l = δ_j^l.
   *
   * @param {Page.Network} net
   * @param {Page.ForwardPass} passed
   * @param {Float64Array[]} delta
   * @param {number} weight
   * @param {Float64Array} grad
   */
  function accumulate(net, passed, delta, weight, grad) {
    for (let l = 1; l <= net.L; ++l) {
      const inputs = passed.A[l - 1],
        n = inputs.length,
        bias = net.b[l];
      for (let j = 0, at = net.W[l]; j < net.widths[l]; ++j, at += n) {
        const d = weight * delta[l][j];
        for (let k = 0; k < n; ++k) grad[at + k] += d * inputs[k];
        if (bias !== null) grad[bias + j] += d;
      }
    }
  }

  /**
   * The masks of row i, by layer; null without dropout.
   *
   * @param {(Page.DecodedArray | null)[] | null} masks @param {number} i @returns {Page.RowMasks}
   */
  const masksOf = (masks, i) => masks?.map((mask) => mask && DR.data.row(mask, i)) ?? null;

  /**
   * C = Σ w_i C_i and ∂C/∂θ over rows (F11). A row of weight 0 is absent.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Page.DecodedArray} X
   * @param {Page.DecodedArray} Y
   * @param {Float64Array} w
   * @param {(Page.DecodedArray | null)[] | null} [masks]
   * @returns {Page.Mean}
   */
  function gradient(net, theta, X, Y, w, masks = null) {
    const grad = new Float64Array(net.p);
    let cost = 0;
    for (let i = 0; i < X.shape[0]; ++i) {
      if (w[i] === 0) continue;
      const passed = forward(net, theta, DR.data.row(X, i), masksOf(masks, i));
      const back = backward(net, theta, passed, DR.data.row(Y, i));
      cost += w[i] * back.loss;
      accumulate(net, passed, back.delta, w[i], grad);
    }
    return { cost, grad };
  }

  /**
   * C_i of one row, by a forward pass alone.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Float64Array} x
   * @param {Float64Array} y
   * @param {Page.RowMasks} [masks]
   */
  function loss(net, theta, x, y, masks = null) {
    return sum(atOutput(net, forward(net, theta, x, masks), y).terms);
  }

  /**
   * C over rows, by forward passes alone.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Page.DecodedArray} X
   * @param {Page.DecodedArray} Y
   * @param {Float64Array} w
   * @param {(Page.DecodedArray | null)[] | null} [masks]
   */
  function cost(net, theta, X, Y, w, masks = null) {
    let total = 0;
    for (let i = 0; i < X.shape[0]; ++i) {
      if (w[i] === 0) continue;
      total += w[i] * loss(net, theta, DR.data.row(X, i), DR.data.row(Y, i), masksOf(masks, i));
    }
    return total;
  }

  const driver = {
    network,
    weightAt,
    biasAt,
    forward,
    atOutput,
    backward,
    accumulate,
    gradient,
    loss,
    cost,
    masksOf,
    sum,
  };
  return { each, eachPair, driver };
})();
DR.each = driverModule.each;
DR.eachPair = driverModule.eachPair;
DR.driver = driverModule.driver;

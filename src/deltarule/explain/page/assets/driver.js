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
    /** @type {Page.VectorFunction} */
    const g = (z, a = z, up = z) => z.map((_, j) => f(z[j], a[j], up[j]));
    g.scalar = f;
    return g;
  }

  /**
   * Writes g(z, a, up) to `out`; a formula of numbers needs no new array for it.
   *
   * @param {Page.VectorFunction} g @param {Float64Array} out
   * @param {Float64Array} z @param {Float64Array} a @param {Float64Array} up
   */
  function fill(g, out, z, a, up) {
    const f = g.scalar;
    if (f) for (let j = 0; j < z.length; ++j) out[j] = f(z[j], a[j], up[j]);
    else out.set(g(z, a, up));
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
   * Arrays for the passes of one row, which the next row may use again.
   *
   * @param {Page.Network} net @returns {Page.PassBuffers}
   */
  function buffers(net) {
    const layers = () => net.widths.map((width) => new Float64Array(width));
    return { Z: layers(), A: layers(), G: layers(), up: layers(), delta: layers() };
  }

  /**
   * z^l and a^l of every layer; G[l] is g^l(z^l), which is a^l but for dropout (`masks`).
   *
   * `shift` adds `by` to one z, for finite differences. The results stand in arrays of `into`, or
   * in new ones.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {ArrayLike<number>} x
   * @param {Page.RowMasks} [masks]
   * @param {{ layer: number, j: number, by: number } | null} [shift]
   * @param {Page.PassBuffers} [into]
   * @returns {Page.ForwardPass}
   */
  function forward(net, theta, x, masks = null, shift = null, into = buffers(net)) {
    const { Z, A, G } = into;
    A[0].set(x);
    G[0] = A[0];
    for (let l = 1; l <= net.L; ++l) {
      const inputs = A[l - 1],
        n = inputs.length,
        z = Z[l];
      const bias = net.b[l];
      for (let j = 0, at = net.W[l]; j < z.length; ++j, at += n) {
        let sum = 0;
        for (let k = 0; k < n; ++k) sum += theta[at + k] * inputs[k];
        z[j] = bias === null ? sum : sum + theta[bias + j];
      }
      if (shift && shift.layer === l) z[shift.j] += shift.by;
      const mask = masks?.[l];
      fill(net.formulas.value[l], G[l], z, z, z);
      if (mask) for (let j = 0; j < z.length; ++j) A[l][j] = G[l][j] * mask[j];
      else A[l].set(G[l]);
    }
    return { Z, A, G, masks };
  }

  /**
   * Arrays for the forward passes of a block of rows: A[l][j] has the a_j^l of every row.
   *
   * @param {Page.Network} net @param {number} rows @returns {Float64Array[][]}
   */
  const block = ({ widths }, rows) =>
    widths.map((width) => Array.from({ length: width }, () => new Float64Array(rows)));

  /**
   * The forward passes of the rows in A[0], without dropout: the numbers of `forward`, to the bit,
   * layer by layer for all rows, which costs half as much.
   *
   * @param {Page.Network} net @param {Float64Array} theta @param {Float64Array[][]} A of `block`
   */
  function forwardBlock(net, theta, A) {
    for (let l = 1; l <= net.L; ++l) {
      const inputs = A[l - 1],
        layer = A[l],
        value = net.formulas.value[l],
        bias = net.b[l];
      for (let j = 0, at = net.W[l]; j < layer.length; ++j, at += inputs.length) {
        const z = layer[j].fill(0);
        let k = 0;
        // Four terms at a time, added in order: z is read and written less often.
        for (; k + 4 <= inputs.length; k += 4) {
          const [a, b, c, d] = [inputs[k], inputs[k + 1], inputs[k + 2], inputs[k + 3]];
          const [s, t, u, v] = [theta[at + k], theta[at + k + 1], theta[at + k + 2], theta[at + k + 3]];
          for (let i = 0; i < z.length; ++i) z[i] = z[i] + s * a[i] + t * b[i] + u * c[i] + v * d[i];
        }
        for (; k < inputs.length; ++k)
          for (let i = 0, w = theta[at + k], a = inputs[k]; i < z.length; ++i) z[i] += w * a[i];
        if (bias !== null) for (let i = 0, b = theta[bias + j]; i < z.length; ++i) z[i] += b;
        if (value.inPlace) value.inPlace(z);
        else if (value.scalar) fill(value, z, z, z, z);
      }
      if (!value.scalar)
        for (let i = 0; i < layer[0].length; ++i) {
          const z = Float64Array.from(layer, (each) => each[i]);
          const a = value(z, z, z);
          for (let j = 0; j < layer.length; ++j) layer[j][i] = a[j];
        }
    }
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
   * C_i, with δ^l of every layer and ∂C_i/∂a^l of those below the output in `into`.
   *
   * F13 is the inner sum below, over all nodes j of layer l.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Page.ForwardPass} passed
   * @param {ArrayLike<number>} y
   * @param {Page.PassBuffers} into
   */
  function deltas(net, theta, passed, y, into) {
    const { L, widths, formulas } = net,
      { up, delta } = into;
    const z = passed.Z[L],
      a = passed.G[L];
    const [terms, first] = (formulas.from_input ?? formulas.from_output)(formulas.from_input ? z : a, y);
    if (formulas.from_input) delta[L].set(first);
    else fill(formulas.pullback[L], delta[L], z, a, Float64Array.from(first));
    for (let l = L; l >= 1; --l) {
      const n = widths[l - 1];
      const down = up[l - 1].fill(0);
      for (let j = 0, at = net.W[l]; j < widths[l]; ++j, at += n) {
        const d = delta[l][j];
        for (let k = 0; k < n; ++k) down[k] += d * theta[at + k];
      }
      if (l === 1) break;
      const mask = passed.masks?.[l - 1];
      const upG = mask ? down.map((value, k) => value * mask[k]) : down;
      fill(formulas.pullback[l - 1], delta[l - 1], passed.Z[l - 1], passed.G[l - 1], upG);
    }
    return sum(terms);
  }

  /**
   * Every derivative of one sample's loss, from a forward pass.
   *
   * up[l] is ∂C_i/∂a^l, slope[l] is g^l′(z^l) (null for softmax, which has none), delta[l] is
   * ∂C_i/∂z^l, dX is ∂C_i/∂x.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Page.ForwardPass} passed
   * @param {ArrayLike<number>} y
   * @returns {Page.BackwardPass}
   */
  function backward(net, theta, passed, y) {
    const { up, delta } = buffers(net);
    const loss = deltas(net, theta, passed, y, { ...passed, up, delta });
    const { terms, up: upL } = atOutput(net, passed, y);
    up[net.L] = upL;
    const slope = Array(net.L + 1).fill(null);
    for (let l = 1; l <= net.L; ++l) {
      const g = net.formulas.slope[l];
      slope[l] = g ? Float64Array.from(g(passed.Z[l], passed.G[l])) : null;
    }
    return { loss, terms, up, slope, delta, dX: up[0] };
  }

  /** The sum, added in order as Python's reference does. @param {ArrayLike<number>} values */
  function sum(values) {
    let total = 0;
    for (let j = 0; j < values.length; ++j) total += values[j];
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
    const into = buffers(net);
    let cost = 0;
    for (let i = 0; i < X.shape[0]; ++i) {
      if (w[i] === 0) continue;
      const passed = forward(net, theta, DR.data.row(X, i), masksOf(masks, i), null, into);
      cost += w[i] * deltas(net, theta, passed, DR.data.row(Y, i), into);
      accumulate(net, passed, into.delta, w[i], grad);
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
   * @param {Page.PassBuffers} [into]
   */
  function loss(net, theta, x, y, masks = null, into = buffers(net)) {
    const { Z, G } = forward(net, theta, x, masks, null, into),
      { from_input: fused, from_output: plain } = net.formulas;
    return sum((fused ? fused(Z[net.L], y) : plain(G[net.L], y))[0]);
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
    const into = buffers(net);
    let total = 0;
    for (let i = 0; i < X.shape[0]; ++i) {
      if (w[i] === 0) continue;
      total += w[i] * loss(net, theta, DR.data.row(X, i), DR.data.row(Y, i), masksOf(masks, i), into);
    }
    return total;
  }

  const driver = {
    network,
    weightAt,
    biasAt,
    buffers,
    forward,
    block,
    forwardBlock,
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

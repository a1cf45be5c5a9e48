// @ts-check
// The symbols of a network with their numbers, in the state and sample that are shown.
//
// The notation is that of docs/mathematics: w_jk^l leads to node j of layer l from node k of the
// layer before; C_i is the loss of sample i, in a table that of row i, and C the weighted mean; δ is ∂C_i/∂z.
"use strict";

const expressionsModule = (function () {
  const M = DR.maths;
  const S = DR.text.symbols;

  /** @param {string} letter @param {Page.Index} l @param {Page.Index[]} below */
  const upper = (letter, l, ...below) => M.subsup(M.mi(letter), M.indices(...below), M.layer(l));
  /** a_j^l; in layer 0 the input x_j. @param {Page.Index} l @param {Page.Index} j */
  const activation = (l, j) => (l === 0 ? M.sub(M.mi("x"), M.indices(j)) : upper("a", l, j));
  /** @param {Page.Index} i */
  const lossOf = (i) => (i === "" ? M.mi("C") : M.sub(M.mi("C"), M.indices(DR.text.rowIndex(i))));
  /** @param {Element} above @param {Element} below */
  const partial = (above, below) => M.frac(M.row(M.mi("∂"), above), M.row(M.mi("∂"), below));

  /** The symbols without numbers. @type {Page.SymbolDrawings} */
  const draw = {
    w: (l, j, k) => upper("w", l, j, k),
    b: (l, j) => upper("b", l, j),
    z: (l, j) => upper("z", l, j),
    a: (l, j) => activation(l, j),
    delta: (l, j) => upper("δ", l, j),
    mask: (l, j) => upper("m", l, j),
    slope: (l, j) => M.row(M.sup(M.mi("g"), M.mo("′")), M.mo("\u2061"), M.fenced(upper("z", l, j))),
    y: (j) => M.sub(M.mi("y"), M.indices(j)),
    loss: lossOf,
    cost: () => M.mi("C"),
    share: (i) => M.sub(M.mi("ω"), M.indices(DR.text.rowIndex(i))),
    dCdw: (l, j, k, i = "") => partial(lossOf(i), upper("w", l, j, k)),
    dCdb: (l, j, i = "") => partial(lossOf(i), upper("b", l, j)),
    dCda: (l, j, i = "") => partial(lossOf(i), activation(l, j)),
    dadz: (l, j, m = j) => partial(upper("a", l, j), upper("z", l, m)),
    dzdw: (l, j, k) => partial(upper("z", l, j), upper("w", l, j, k)),
    dzdb: (l, j) => partial(upper("z", l, j), upper("b", l, j)),
  };

  /**
   * A symbol with its number; `go` is what a click on it selects.
   *
   * @template {keyof Page.SymbolNames} K
   * @param {K} kind @param {Parameters<Page.SymbolNames[K]>} args @param {number} value
   * @param {Page.Selection | null} [go] @returns {Page.Symbol}
   */
  const single = (kind, args, value, go = null) => {
    // The compiler checks `args` by K where this is called; here K is any of several.
    const named = /** @type {(...args: any[]) => Page.SymbolName} */ (S[kind]);
    const drawn = /** @type {(...args: any[]) => Element} */ (draw[kind]);
    const [id, text] = named(...args);
    return { id, text, value, go, draw: () => drawn(...args) };
  };

  /**
   * Symbols with numbers for sample i of a store.
   *
   * @param {Page.Store} store @param {number} [i] @returns {Page.Symbols}
   */
  function symbols(store, i = store.state.sample) {
    const { net } = store;
    const theta = store.theta();
    const pass = store.pass(i);
    /** @param {number} layer @param {number} j @returns {Page.Selection} */
    const node = (layer, j) => ({ kind: "node", layer, j });
    /** @param {number} l @param {number} j @param {number} k */
    const at = (l, j, k) => DR.driver.weightAt(net, l, j, k);

    /** @type {Map<number, ArrayLike<number>>} */
    const jacobian = new Map();
    /**
     * Row j of the Jacobian ∂a/∂z of the layer that mixes its nodes: the pullback of one a_j.
     *
     * @param {number} l @param {number} j
     */
    function jacobianRow(l, j) {
      let found = jacobian.get(j);
      if (!found) {
        const one = new Float64Array(net.widths[l]);
        one[j] = 1;
        found = net.formulas.pullback[l](pass.Z[l], pass.G[l], one);
        jacobian.set(j, found);
      }
      return found;
    }

    /** @param {number} l */
    const dropped = (l) => pass.masks?.[l] ?? null;
    // These are asked for only where the layer has them: a mask, a slope.
    /** @param {number} l @param {number} j */
    const maskAt = (l, j) => /** @type {Float64Array} */ (dropped(l))[j];
    /** @param {number} l @param {number} j */
    const slopeAt = (l, j) => /** @type {Float64Array} */ (pass.slope[l])[j];

    return {
      i,
      pass,
      dropped,
      w: (l, j, k) => single("w", [l, j, k], theta[at(l, j, k)], { kind: "edge", layer: l, j, k }),
      b: (l, j) => single("b", [l, j], theta[DR.driver.biasAt(net, l, j)], { kind: "bias", layer: l, j }),
      z: (l, j) => single("z", [l, j], pass.Z[l][j], node(l, j)),
      a: (l, j) => single("a", [l, j], pass.A[l][j], node(l, j)),
      delta: (l, j) => single("delta", [l, j], pass.delta[l][j], node(l, j)),
      // ∂a_j/∂z_j = g′(z_j), times the mask of dropout where there is one.
      slope: (l, j) => single("dadz", [l, j], slopeAt(l, j) * (dropped(l) ? maskAt(l, j) : 1), node(l, j)),
      dzdw: (l, j, k) => single("dzdw", [l, j, k], pass.A[l - 1][k], node(l - 1, k)),
      mask: (l, j) => single("mask", [l, j], maskAt(l, j), node(l, j)),
      y: (j) => single("y", [j], store.y(i)[j]),
      loss: () => single("loss", [i], pass.loss, { kind: "cost" }),
      share: () => ofShare(store, i),
      dCda: (l, j) => single("dCda", [l, j, i], pass.up[l][j], node(l, j)),
      dCdw: (l, j, k) =>
        single("dCdw", [l, j, k, i], pass.delta[l][j] * pass.A[l - 1][k], { kind: "edge", layer: l, j, k }),
      dCdb: (l, j) => single("dCdb", [l, j, i], pass.delta[l][j], { kind: "bias", layer: l, j }),
      // ∂a_j/∂z_m of an output that mixes its nodes, as softmax does.
      dadz: (l, j, m) => single("dadz", [l, j, m], jacobianRow(l, j)[m]),
      // Over all samples; the name says so where it is over some of them only.
      cost: (mean = store.mean()) => over(mean.costOver, single("cost", [], mean.cost, { kind: "cost" })),
      meanw: (l, j, k, mean = store.mean()) =>
        over(
          mean.gradOver,
          single("dCdw", [l, j, k], mean.grad[at(l, j, k)], { kind: "edge", layer: l, j, k }),
        ),
      meanb: (l, j, mean = store.mean()) =>
        over(
          mean.gradOver,
          single("dCdb", [l, j], mean.grad[DR.driver.biasAt(net, l, j)], { kind: "bias", layer: l, j }),
        ),
    };
  }

  // One number of any sample, for sums over samples.
  /**
   * @param {Page.Store} store
   * @param {number} l
   * @param {number} j
   * @param {number} k
   * @returns {Page.OfSample}
   */
  function ofWeight(store, l, j, k) {
    /** @param {number} i */
    const value = (i) => store.pass(i).delta[l][j] * store.pass(i).A[l - 1][k];
    return [value, (i) => single("dCdw", [l, j, k, i], value(i))];
  }

  /** @param {Page.Store} store @param {number} l @param {number} j @returns {Page.OfSample} */
  function ofBias(store, l, j) {
    /** @param {number} i */
    const value = (i) => store.pass(i).delta[l][j];
    return [value, (i) => single("dCdb", [l, j, i], value(i))];
  }

  /** @param {Page.Store} store @returns {Page.OfSample} */
  const ofLoss = (store) => [(i) => store.pass(i).loss, (i) => single("loss", [i], store.pass(i).loss)];

  /**
   * ω_i among all rows; with `here`, ω_i among the rows of the page, which has a name of its own.
   *
   * @param {Page.Store} store @param {number} i @param {boolean} [here]
   */
  const ofShare = (store, i, here = false) =>
    here && store.some()
      ? over(store.some(), single("share", [i], store.rows.w[i]))
      : single("share", [i], store.rows.share[i]);

  /**
   * The mean over the rows of the page, with words where they are not all.
   *
   * @param {Page.Store} store @returns {Page.MeanOver}
   */
  const meanHere = (store) => ({ ...store.meanHere(), costOver: store.some(), gradOver: store.some() });

  /**
   * The symbol of a number that is over some of the rows (`some` has the words), with a name of its
   * own; the same symbol where it is over all of them.
   *
   * @param {string} some @param {Page.Symbol} symbol @returns {Page.Symbol}
   */
  const over = (some, symbol) =>
    some ? { ...symbol, over: some.trim(), id: symbol.id + some, text: symbol.text + some } : symbol;

  return { draw, symbols, meanHere, ofWeight, ofBias, ofLoss, ofShare };
})();
DR.expressions = expressionsModule;

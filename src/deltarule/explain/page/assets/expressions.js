// The symbols of a network with their numbers, as they stand in the shown state and sample.
//
// The notation is that of docs/mathematics: w_jk^l leads to node j of layer l from node k of the
// layer before; C_i is the loss of sample i and C the weighted mean; δ is ∂C_i/∂z.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const M = DR.maths;
  const S = DR.text.symbols;

  const upper = (letter, l, ...below) => M.subsup(M.mi(letter), M.indices(...below), M.mn(l));
  /** a_j^l, of which layer 0 is the input x_j. */
  const activation = (l, j) => (l === 0 ? M.sub(M.mi("x"), M.indices(j)) : upper("a", l, j));
  const lossOf = (i) => (i === "" ? M.mi("C") : M.sub(M.mi("C"), M.indices(i)));
  const partial = (above, below) => M.frac(M.row(M.mi("∂"), above), M.row(M.mi("∂"), below));

  /** The drawings alone, for any indices, letters as well as numbers. */
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
    share: (i) => M.sub(M.mi("w"), M.indices(i)),
    dCdw: (l, j, k, i = "") => partial(lossOf(i), upper("w", l, j, k)),
    dCdb: (l, j, i = "") => partial(lossOf(i), upper("b", l, j)),
    dCda: (l, j, i = "") => partial(lossOf(i), activation(l, j)),
    dadz: (l, j, m = j) => partial(upper("a", l, j), upper("z", l, m)),
    dzdw: (l, j, k) => partial(upper("z", l, j), upper("w", l, j, k)),
    dzdb: (l, j) => partial(upper("z", l, j), upper("b", l, j)),
  };

  /** A symbol with its number; `go` is what a click on it selects. */
  const single = (kind, args, value, go = null) => {
    const [id, text] = S[kind](...args);
    return { id, text, value, go, draw: () => draw[kind](...args) };
  };

  /** Symbols with numbers for sample i of a store. */
  function symbols(store, i = store.state.sample) {
    const { net } = store;
    const theta = store.theta();
    const pass = store.pass(i);
    const node = (layer, j) => ({ kind: "node", layer, j });
    const at = (l, j, k) => DR.driver.weightAt(net, l, j, k);

    /** Row j of the Jacobian ∂a/∂z of a layer that mixes its nodes: the pullback of one a_j. */
    const jacobian = new Map();
    function jacobianRow(l, j) {
      if (!jacobian.has(j)) {
        const one = new Float64Array(net.widths[l]);
        one[j] = 1;
        jacobian.set(j, net.formulas.pullback[l](pass.Z[l], pass.G[l], one));
      }
      return jacobian.get(j);
    }

    const dropped = (l) => pass.masks && pass.masks[l];

    return {
      i,
      pass,
      dropped,
      w: (l, j, k) => single("w", [l, j, k], theta[at(l, j, k)], { kind: "edge", layer: l, j, k }),
      b: (l, j) => single("b", [l, j], theta[net.b[l] + j], { kind: "bias", layer: l, j }),
      z: (l, j) => single("z", [l, j], pass.Z[l][j], node(l, j)),
      a: (l, j) => single("a", [l, j], pass.A[l][j], node(l, j)),
      delta: (l, j) => single("delta", [l, j], pass.delta[l][j], node(l, j)),
      // ∂a_j/∂z_j = g′(z_j), times the mask of dropout where there is one.
      slope: (l, j) =>
        single("dadz", [l, j], pass.slope[l][j] * (dropped(l) ? dropped(l)[j] : 1), node(l, j)),
      dzdw: (l, j, k) => single("dzdw", [l, j, k], pass.A[l - 1][k], node(l - 1, k)),
      mask: (l, j) => single("mask", [l, j], pass.masks[l][j], node(l, j)),
      y: (j) => single("y", [j], store.y(i)[j]),
      loss: () => single("loss", [i], pass.loss, { kind: "cost" }),
      share: () => ofShare(store, i),
      dCda: (l, j) => single("dCda", [l, j, i], pass.up[l][j], node(l, j)),
      dCdw: (l, j, k) =>
        single("dCdw", [l, j, k, i], pass.delta[l][j] * pass.A[l - 1][k], { kind: "edge", layer: l, j, k }),
      dCdb: (l, j) => single("dCdb", [l, j, i], pass.delta[l][j], { kind: "bias", layer: l, j }),
      // ∂a_j/∂z_m of an output that mixes its nodes, as softmax does.
      dadz: (l, j, m) => single("dadz", [l, j, m], jacobianRow(l, j)[m]),
      // Over all samples; what is over some of them only says so in its name.
      cost: (mean = store.mean()) =>
        over(mean.costOver, single("cost", [], mean.cost, { kind: "cost" })),
      meanw: (l, j, k, mean = store.mean()) =>
        over(mean.gradOver, single("dCdw", [l, j, k], mean.grad[at(l, j, k)], { kind: "edge", layer: l, j, k })),
      meanb: (l, j, mean = store.mean()) =>
        over(mean.gradOver, single("dCdb", [l, j], mean.grad[net.b[l] + j], { kind: "bias", layer: l, j })),
    };
  }

  // One number of any sample, for sums over samples: [its value, its symbol].

  function ofWeight(store, l, j, k) {
    const value = (i) => store.pass(i).delta[l][j] * store.pass(i).A[l - 1][k];
    return [value, (i) => single("dCdw", [l, j, k, i], value(i))];
  }

  function ofBias(store, l, j) {
    const value = (i) => store.pass(i).delta[l][j];
    return [value, (i) => single("dCdb", [l, j, i], value(i))];
  }

  const ofLoss = (store) => [(i) => store.pass(i).loss, (i) => single("loss", [i], store.pass(i).loss)];

  /** w_i among all rows; among those of the page it is another number, and called so. */
  const ofShare = (store, i, here = false) =>
    here && store.some()
      ? over(store.some(), single("share", [i], store.rows.w[i]))
      : single("share", [i], store.rows.share[i]);

  /** The mean over the rows of the page, with words where they are not all. */
  const meanHere = (store) => ({ ...store.meanHere(), costOver: store.some(), gradOver: store.some() });

  /** A symbol of a number that is over some of the rows: another number than that over all. */
  const over = (some, symbol) =>
    some ? { ...symbol, over: some.trim(), id: symbol.id + some, text: symbol.text + some } : symbol;

  DR.expressions = { draw, symbols, meanHere, ofWeight, ofBias, ofLoss, ofShare };
})();

// @ts-check
// The steps of a derivation, each a section with its formula, its numbers and where they come from.
//
// `at` has what all of them need: the store, the symbols of the shown sample, and how many terms of
// each sum a reader has opened.
"use strict";

const sectionsModule = (function () {
  const { el } = DR.dom;
  const M = DR.maths;
  const draw = DR.expressions.draw;
  const { symbol, figure, formula } = M;

  const LONG = 1200; // characters of MathML that are a formula of a line or two

  /** @param {string} title @param {string} tag @param {Page.Child[]} children */
  const step = (title, tag, ...children) =>
    el(
      "section",
      { class: "step" },
      el("h4", {}, title, tag ? " " : null, tag ? el("span", { class: "tag", text: tag }) : null),
      ...children,
    );

  /**
   * @param {Page.Symbol[]} symbols
   * @param {(symbol: Page.Symbol, options?: { factor?: boolean }) => Element} [show]
   * @param {{ factor?: boolean }} [options]
   * @returns {Page.Piece[]}
   */
  const product = (symbols, show = symbol, options = {}) =>
    symbols.flatMap((each, at) => (at ? ["·", show(each, options)] : [show(each, options)]));

  /**
   * A sum of products; what the reader has opened stays open when it is drawn again.
   *
   * @param {Page.Derivation} at
   * @param {string} key
   * @param {Page.Term[]} list
   * @param {Page.Symbol | null} total
   * @param {string} [names]
   * @param {{ count: number, value: number } | null} [others]
   */
  function terms(at, key, list, total, names, others = null) {
    /** @param {number} count */
    const more = (count) => at.opened.set(key, count);
    return DR.sums.list(list, total, { open: at.opened.get(key), more, names, others });
  }

  /** @param {Page.Derivation} at @param {number} l */
  const isOutput = (at, l) => l === at.store.net.L;
  /** @param {Page.Derivation} at @param {number} l */
  const mixes = (at, l) => isOutput(at, l) && !at.store.net.output_elementwise;

  /** F3: z_j = Σ_k w_jk a_k + b_j. @param {Page.Derivation} at @param {number} l @param {number} j */
  function weighted(at, l, j) {
    const { s, store } = at;
    const n = store.net.widths[l - 1];
    const weights = store.theta(),
      at0 = DR.driver.weightAt(store.net, l, j, 0);
    /** @type {Page.Term[]} */
    const list = Array.from({ length: n }, (_, k) => {
      const value = weights[at0 + k] * s.pass.A[l - 1][k];
      return { value, factors: () => [s.w(l, j, k), s.a(l - 1, k)] };
    });
    /** @type {Page.Piece[]} */
    const pieces = [symbol(s.z(l, j)), "=", M.sum("k"), draw.w(l, j, "k"), draw.a(l - 1, "k")];
    if (store.net.b[l] !== null) {
      const bias = s.b(l, j);
      pieces.push("+", symbol(bias));
      list.push({ factors: () => [bias], value: bias.value, note: "the bias" });
    }
    return step("The weighted input", "F3", formula(pieces), terms(at, `z${l},${j}`, list, s.z(l, j)));
  }

  /**
   * F4: a_j = g(z_j), with g as the library prints it.
   *
   * @param {Page.Derivation} at @param {number} l @param {number} j
   */
  function activation(at, l, j) {
    const { s, store } = at;
    const name = store.net.activations[l];
    const a = s.a(l, j),
      z = s.z(l, j);
    const mask = s.dropped(l);
    const g = [M.mi("g"), M.fenced(symbol(z))];
    /** @type {Page.Line[]} */
    const lines = [[symbol(a), "=", ...g, ...(mask ? ["·", symbol(s.mask(l, j))] : []), "=", figure(a)]];
    const printed = store.payload.mathml.value[l];
    if (printed)
      lines.unshift([M.mi("g"), M.fenced(M.mi("z")), "=", M.printed(printed, mixes(at, l) ? {} : { z })]);
    const words = mixes(at, l)
      ? `${name}: every output depends on every z of the layer.`
      : mask
        ? `${name}; in this step of training dropout multiplied it by the mask m.`
        : `${name}.`;
    return step("The activation", "F4", el("p", { class: "note", text: words }), formula(...lines));
  }

  /** F8: ∂a_j/∂z_j = g′(z_j). @param {Page.Derivation} at @param {number} l @param {number} j */
  function slope(at, l, j) {
    const { s, store } = at;
    if (mixes(at, l)) return null;
    const g = s.slope(l, j);
    /** @type {Page.Line[]} */
    const lines = [];
    const printed = store.payload.mathml.slope[l];
    if (printed)
      lines.push([
        M.row(M.sup(M.mi("g"), M.mo("′"))),
        M.fenced(M.mi("z")),
        "=",
        M.printed(printed, { z: s.z(l, j), a: s.a(l, j) }),
      ]);
    const mask = s.dropped(l) ? ["·", symbol(s.mask(l, j))] : [];
    lines.push([symbol(g), "=", draw.slope(l, j), ...mask, "=", figure(g)]);
    return step("The slope", "F8", formula(...lines), kinkNote(at, l, j));
  }

  /** @param {Page.Derivation} at @param {number} l @param {number} j */
  function kinkNote(at, l, j) {
    const z = at.s.pass.Z[l][j];
    const kink = at.store.net.kinks[l].find((where) => where === z);
    return kink === undefined
      ? null
      : el("p", {
          class: "note",
          text: "z is exactly at a kink of the activation; the slope is the one from the left.",
        });
  }

  /**
   * ∂C_i/∂a_j: at the output from the loss (F7), before it from the layer after (F13).
   *
   * @param {Page.Derivation} at @param {number} l @param {number} j
   */
  function upstream(at, l, j) {
    return isOutput(at, l) ? fromLoss(at, l, j) : fromLayerAfter(at, l, j);
  }

  /** @param {Page.Derivation} at @param {number} l @param {number} j */
  function fromLoss(at, l, j) {
    const { s, store } = at;
    const up = s.dCda(l, j),
      a = s.a(l, j),
      y = s.y(j);
    /** @type {Page.Line[]} */
    const lines = [];
    const { loss, loss_derivative: derivative } = store.payload.mathml;
    if (loss) lines.push([draw.loss("i"), "=", M.sum("j"), M.fenced(M.printed(loss))]);
    /** @type {Record<string, Page.Symbol>} */
    const numbers = store.net.loss_elementwise ? { a, y } : {};
    lines.push([symbol(up), ...(derivative ? ["=", M.printed(derivative, numbers)] : []), "=", figure(up)]);
    if (!store.net.loss_elementwise)
      lines.push([
        M.words("with\u00a0"),
        M.mi("a"),
        "=",
        symbol(a),
        M.words("\u00a0 and \u00a0"),
        M.mi("y"),
        "=",
        symbol(y),
      ]);
    const about = `The loss is ${store.net.loss}, summed over outputs and not averaged.`;
    return step(
      "How the loss depends on the output",
      "F7",
      el("p", { class: "note", text: about }),
      formula(...lines),
    );
  }

  /** @param {Page.Derivation} at @param {number} l @param {number} j */
  function fromLayerAfter(at, l, j) {
    const { s, store } = at;
    const m = l + 1;
    const n = store.net.widths[m];
    const weights = store.theta();
    const list = Array.from({ length: n }, (_, i) => {
      const value = s.pass.delta[m][i] * weights[DR.driver.weightAt(store.net, m, i, j)];
      return { value, factors: () => [s.delta(m, i), s.w(m, i, j)] };
    });
    const total = s.dCda(l, j);
    const deltaSum = [symbol(total), "=", M.sum("j"), draw.delta(m, "j"), draw.w(m, "j", j)];
    const three = [
      M.words("with\u00a0"),
      draw.delta(m, "j"),
      "=",
      draw.dCda(m, "j", s.i),
      "·",
      draw.dadz(m, "j"),
    ];
    const from = l === 0 ? "An input" : "A node";
    const words =
      n === 1
        ? `${from} reaches the loss through the one node of layer ${m}.`
        : `${from} reaches the loss through every node of layer ${m}, so all ${n} of them add up.`;
    return step(
      "Through the layer after",
      "F13",
      el("p", { class: "note", text: words }),
      formula(deltaSum, ...(mixes(at, m) ? [] : [three])),
      terms(at, `up${l},${j}`, list, total),
    );
  }

  /**
   * δ_j = ∂C_i/∂z_j: a product, a sum over the Jacobian, or straight from z.
   *
   * @param {Page.Derivation} at @param {number} l @param {number} j
   */
  function delta(at, l, j) {
    const { s, store } = at;
    const d = s.delta(l, j);
    if (mixes(at, l)) return jacobian(at, l, j, d);
    const factors = [s.dCda(l, j), s.slope(l, j)];
    /** @type {Page.Piece[][]} */
    const lines = [[symbol(d), "=", ...product(factors)]];
    const fused = isOutput(at, l) && store.net.fused;
    if (agrees(factors[0].value * factors[1].value, d.value)) {
      lines.push(["=", ...product(factors, figure, { factor: true }), "=", figure(d)]);
    } else lines.push(["=", figure(d)]);
    return step("The delta of this node", "δ", formula(...lines), fused ? fromZ(at, l, j, factors) : null);
  }

  /** @param {Page.Derivation} at @param {number} l @param {number} j @param {Page.Symbol} d */
  function jacobian(at, l, j, d) {
    const { s, store } = at;
    const n = store.net.widths[l];
    const list = Array.from({ length: n }, (_, i) => {
      const factors = [s.dCda(l, i), s.dadz(l, i, j)];
      // 0 times an infinite derivative: the outputs that the target leaves out add nothing.
      const value =
        factors[1].value === 0 || factors[0].value === 0 ? 0 : factors[0].value * factors[1].value;
      return { factors: () => factors, value };
    });
    const about = `${store.net.activations[l]} mixes its outputs: z of this node moves all ${n} of them, so δ is a sum over the whole row of the Jacobian.`;
    const all = list.reduce((sum, term) => sum + term.value, 0);
    const sound = agrees(all, d.value);
    return step(
      "The delta of this node",
      "δ",
      el("p", { class: "note", text: about }),
      formula([
        symbol(d),
        "=",
        M.sum("i"),
        draw.dCda(l, "i", s.i),
        "·",
        draw.dadz(l, "i", j),
        "=",
        figure(d),
      ]),
      terms(at, `delta${l},${j}`, list, sound ? d : null),
      store.net.fused ? fromZ(at, l, j, null, sound) : null,
    );
  }

  /**
   * Whether a product of rounded factors still has the digits of the exact value.
   *
   * @param {number} x @param {number} exact
   */
  const agrees = (x, exact) => Math.abs(x - exact) <= 1e-9 * Math.abs(exact) || x === exact;

  /**
   * Says that δ of a fused pair is computed from z, and why where the factors left their range.
   *
   * @param {Page.Derivation} at
   * @param {number} l
   * @param {number} j
   * @param {Page.Symbol[] | null} factors
   * @param {boolean} [sound]
   */
  function fromZ(at, l, j, factors, sound = true) {
    const { s, store } = at;
    const markup = store.payload.mathml.fused_derivative;
    const byZ = M.element("mfrac", {}, M.row(M.mi("∂"), draw.loss("i")), M.row(M.mi("∂"), M.mi("z")));
    const line = markup ? formula([byZ, "=", M.printed(markup)]) : null;
    // A formula that keeps every digit is long: it is folded.
    const long = markup && markup.length > LONG;
    const from = long ? el("details", {}, el("summary", { text: "the formula" }), line) : line;
    const d = s.delta(l, j);
    const notes = [];
    const text =
      "Loss and activation go together so well that δ is computed from z directly, with all its digits.";
    const lost = factors ? !agrees(factors[0].value * factors[1].value, d.value) : !sound;
    if (lost) {
      const up = factors ? factors[0].value : s.dCda(l, j).value;
      const tends = Number.isFinite(up)
        ? "Here the output is so close to its limit that ∂C/∂a has lost digits; the product of the rounded factors is not δ."
        : `Here ∂C/∂a → ${DR.number(up)} while ∂a/∂z → 0: neither can be multiplied, and their product still has a limit, which is δ.`;
      notes.push(el("p", { class: "limit", text: `${tends} δ is taken from z.` }));
    }
    return el("div", {}, el("p", { class: "note", text }), from, ...notes);
  }

  /**
   * F11: the mean over samples, Σ_i w_i ∂C_i/∂θ, of a number of every sample.
   *
   * @param {Page.Derivation} at
   * @param {string} key
   * @param {Page.OfSample} number
   * @param {Page.Symbol} total
   * @param {Element} drawn
   */
  function mean(at, key, [numberOf, symbolOf], total, drawn) {
    const { store } = at;
    const { n, of, part } = store.rows;
    // Where the page has some of the rows, it shows their terms and what the other rows add to the
    // whole; where the whole is not known, the mean over the rows it has.
    const here = Boolean(total.over);
    const w = here ? store.rows.w : store.rows.share;
    /** @type {Page.Term[]} */
    const list = [];
    let sum = 0;
    let absent = 0;
    for (let i = 0; i < n; ++i) {
      if (w[i] === 0) {
        ++absent;
        continue;
      }
      const value = w[i] * numberOf(i);
      sum += value;
      list.push({ value, factors: () => [DR.expressions.ofShare(store, i, here), symbolOf(i)] });
    }
    const others = of > n && !here ? { count: of - n, value: total.value - sum } : null;
    const words = [
      of === n
        ? part
          ? `Over the ${n} rows of this page, a part of ${part}.`
          : `Over ${n === 1 ? "the only row" : `all ${n} rows`}.`
        : here
          ? `The mean is over the ${n} rows in this page, of ${of}, with weights that add to 1 among them.`
          : `Over all ${of} rows, as Python computed it. The terms are those of the ${n} rows in this page, of ${of}.`,
      absent ? ` ${absent} of weight 0 count as absent.` : "",
    ].join("");
    return step(
      "The mean over samples",
      "F11",
      el("p", { class: "note", text: words }),
      formula([symbol(total), "=", M.sum("i"), draw.share("i"), drawn]),
      terms(at, key, list, total, "samples", others),
    );
  }

  /** F2: the loss of the sample, with a term for each output. @param {Page.Derivation} at */
  function loss(at) {
    const { s, store } = at;
    const L = store.net.L;
    const own = s.loss();
    const printed = store.payload.mathml.loss;
    const list = Array.from(s.pass.terms, (value, j) => ({ factors: () => [s.a(L, j), s.y(j)], value }));
    const words = `The loss is ${store.net.loss}: the sum over outputs of one term for each, of a and y.`;
    return step(
      `The loss of ${DR.panel.rowName(store, s.i)}`,
      "F2",
      el("p", { class: "note", text: words }),
      formula([
        [symbol(own), "=", M.sum("j"), ...(printed ? [M.fenced(M.printed(printed))] : [M.words("terms")])],
        ["=", figure(own)],
      ]),
      DR.sums.list(list, own, {
        open: at.opened.get("loss"),
        more: (n) => at.opened.set("loss", n),
        pairs: true,
      }),
    );
  }

  return {
    LONG,
    step,
    product,
    isOutput,
    mixes,
    weighted,
    activation,
    slope,
    upstream,
    delta,
    mean,
    loss,
    agrees,
  };
})();
DR.sections = sectionsModule;

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
  const { agrees, computedAs, kinkNote, lostDigits, ofOne, term } = DR.textbook;

  const LONG = 1200; // characters of MathML that are a formula of a line or two

  /** @param {string} title @param {string} tag @param {Page.Child[]} children */
  const step = (title, tag, ...children) =>
    el(
      "section",
      { class: "step" },
      el(
        "h4",
        {},
        title,
        tag ? " " : null,
        tag ? el("span", { class: "tag" }, ...DR.laws.within(tag)) : null,
      ),
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
    const name = store.net.words[l];
    const a = s.a(l, j),
      z = s.z(l, j);
    const mask = s.dropped(l);
    const times = mask ? ["·", symbol(s.mask(l, j))] : [];
    const computed = store.payload.mathml.value[l];
    const textbook = store.payload.mathml.textbook_value[l];
    const shown = textbook ?? computed;
    /** @type {Record<string, Page.Symbol>} */
    const own = mixes(at, l) ? {} : { z };
    const indices = mixes(at, l) ? { l, j } : null;
    const g = shown ? M.printed(shown, own, indices) : M.row(M.mi("g"), M.fenced(symbol(z)));
    const product = mask && shown ? [M.fenced(g), ...times] : [g, ...times];
    const line = [
      [symbol(a), "=", ...product],
      ["=", figure(a)],
    ];
    const words = mixes(at, l)
      ? `${name}: every output depends on every z of the layer.`
      : mask
        ? `${name}; in this step of training dropout multiplied it by the mask m.`
        : `${name}.`;
    return step(
      "The activation",
      "F4",
      el("p", { class: "note", text: words }),
      formula(line),
      computedAs(
        textbook,
        computed,
        indices ? [draw.a(l, j)] : [M.mi("g"), M.fenced(M.mi("z"))],
        own,
        indices,
      ),
    );
  }

  /** F8: ∂a_j/∂z_j = g′(z_j). @param {Page.Derivation} at @param {number} l @param {number} j */
  function slope(at, l, j) {
    const { s, store } = at;
    if (mixes(at, l)) return null;
    const g = s.slope(l, j);
    const { pass } = s;
    const computed = store.payload.mathml.slope[l];
    const textbook = store.payload.mathml.textbook_slope[l];
    const shown = textbook ?? computed;
    // With dropout a is not g(z), and the formula is one of g(z).
    /** @type {Record<string, Page.Symbol>} */
    const own = s.dropped(l) ? { z: s.z(l, j) } : { z: s.z(l, j), a: s.a(l, j) };
    const mask = s.dropped(l) ? ["·", symbol(s.mask(l, j))] : [];
    const printed = shown
      ? [["=", s.dropped(l) ? M.fenced(M.printed(shown, own)) : M.printed(shown, own), ...mask]]
      : [];
    const given = store.net.formulas.textbook.slope[l]?.(pass.Z[l], pass.G[l])[j];
    const exact = /** @type {ArrayLike<number>} */ (pass.slope[l])[j];
    return step(
      "The slope",
      "F8",
      formula([[symbol(g), "=", draw.slope(l, j), ...mask], ...printed, ["=", figure(g)]]),
      lostDigits(g, given, exact),
      computedAs(textbook, computed, [M.sup(M.mi("g"), M.mo("′")), M.fenced(M.mi("z"))], own),
      kinkNote(at.s.pass.Z[l][j], store.net.kinks[l]),
    );
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
    const { loss, loss_derivative: computed } = store.payload.mathml;
    const textbook = store.payload.mathml.textbook_loss_derivative;
    const derivative = textbook ?? computed;
    if (loss) lines.push([draw.loss(s.i), "=", M.sum("j"), term(loss, l)]);
    const one = ofOne(derivative);
    /** @type {Record<string, Page.Symbol>} */
    const numbers = one ? { a, y } : {};
    lines.push([
      [symbol(up), ...(derivative ? ["=", M.printed(derivative, numbers, one ? null : { l, j })] : [])],
      ["=", figure(up)],
    ]);
    if (!one)
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
    const about = `The loss is ${store.net.loss_words}, summed over outputs and not averaged.`;
    const { pass } = s;
    const given = store.net.formulas.textbook.derivative?.(pass.G[l], store.y(s.i))[j];
    return step(
      "How the loss depends on the output",
      "F7",
      el("p", { class: "note", text: about }),
      formula(...lines),
      lostDigits(up, given),
      computedAs(textbook, computed, [draw.dCda(l, "j", "i")], {}, { l, j: "j" }),
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
    /** @type {Page.Line[]} */
    const lines = [[symbol(d), "=", ...product(factors)]];
    const fused = isOutput(at, l) && store.net.fused;
    if (agrees(factors[0].value * factors[1].value, d.value)) {
      lines.push([
        ["=", ...product(factors, figure, { factor: true })],
        ["=", figure(d)],
      ]);
    } else lines.push(["=", figure(d)]);
    const chain = formula(...lines);
    if (!fused) return step("The delta of this node", "δ", chain);
    return step("The delta of this node", "δ", ...difference(at, l, j, chain), fromZ(at, l, j, factors));
  }

  /**
   * δ of a loss that is joined with its output, as a − y; the chain rule is folded below it. Without
   * such a form the chain rule alone.
   *
   * @param {Page.Derivation} at @param {number} l @param {number} j @param {...Page.Child} chain
   * @returns {Page.Child[]}
   */
  function difference(at, l, j, ...chain) {
    const { s, store } = at;
    const d = s.delta(l, j);
    const markup = store.payload.mathml.textbook_fused_derivative;
    if (!markup) return chain;
    const one = ofOne(markup);
    /** @type {Record<string, Page.Symbol>} */
    const numbers = one ? { a: s.a(l, j), y: s.y(j) } : {};
    const given = store.net.formulas.textbook.delta?.(s.pass.G[l], store.y(s.i))[j];
    return [
      formula([
        [symbol(d), "=", M.printed(markup, numbers, one ? null : { l, j })],
        ["=", figure(d)],
      ]),
      lostDigits(d, given),
      el("details", { class: "chain" }, el("summary", { text: "the same by the chain rule" }), ...chain),
    ];
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
    const about = `${store.net.words[l]} mixes its outputs: z of this node moves all ${n} of them, so δ is a sum over a whole column of the Jacobian.`;
    const all = list.reduce((sum, term) => sum + term.value, 0);
    const sound = agrees(all, d.value);
    return step(
      "The delta of this node",
      "δ",
      ...difference(
        at,
        l,
        j,
        el("p", { class: "note", text: about }),
        formula([
          symbol(d),
          "=",
          M.sum("m"),
          draw.dCda(l, "m", s.i),
          "·",
          draw.dadz(l, "m", j),
          "=",
          figure(d),
        ]),
        terms(at, `delta${l},${j}`, list, sound ? d : null),
      ),
      store.net.fused ? fromZ(at, l, j, null, sound) : null,
    );
  }

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
    const byZ = M.element("mfrac", {}, M.row(M.mi("∂"), draw.loss("i")), M.row(M.mi("∂"), draw.z(l, "j")));
    const line = markup ? formula([byZ, "=", M.printed(markup, {}, { l, j: "j" })]) : null;
    const from = line && el("details", { class: "computed" }, el("summary", { text: "computed as" }), line);
    const d = s.delta(l, j);
    const notes = [];
    const text =
      "For this pair of loss and activation δ has a formula of z alone, which keeps all digits: the library takes that one.";
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
   * F11: the mean over samples, Σ_i ω_i ∂C_i/∂θ, of a number of every sample.
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
    const words = `The loss is ${store.net.loss_words}: the sum over outputs of one term for each, of a and y.`;
    return step(
      `The loss of ${DR.panel.rowName(store, s.i)}`,
      "F2",
      el("p", { class: "note", text: words }),
      formula([
        [symbol(own), "=", M.sum("j"), ...(printed ? [term(printed, L)] : [M.words("terms")])],
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

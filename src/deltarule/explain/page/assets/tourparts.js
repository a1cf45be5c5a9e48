// @ts-check
// What the chapters of the guided tour are made of: sentences with the network's own numbers in
// them, and the network itself with the weights that the chapters follow.
"use strict";

const tourPartsModule = (function () {
  const { el, clamp } = DR.dom;
  const M = DR.maths;
  const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
  const LISTED = 4; // numbers that a sentence has at most
  const WORK = 1e8; // multiplications of a forward pass: a second or two with the backward pass
  const RUNS = 6; // of the plain rule, each with a smaller rate
  const RATE = 0.5; // of the plain rule, halved until a step lowers the cost

  // -- sentences -------------------------------------------------------------------------

  /** A number with four significant digits, fewer where it has fewer. @param {number} x */
  function short(x) {
    const size = Math.abs(x);
    if (!(size >= 1e-4 && size < 1e6)) return DR.number(x, size > 0 && size < 1e-4 ? 4 : 6);
    const text = DR.number(x, clamp(3 - Math.floor(Math.log10(size)), 0, 8));
    const trimmed = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
    return Number(trimmed.replace(DR.text.MINUS, "-")) === x ? trimmed : text;
  }

  /** A symbol's number in a sentence. @param {Page.Symbol} given */
  const num = ({ id, value }) => DR.dom.shown(id, value, short(value), "value");
  /** A number that has no symbol. @param {number} x */
  const plain = (x) => DR.dom.shown(null, x, short(x), "value");
  /** A symbol in a sentence. @param {Page.Symbol} given */
  const name = (given) => M.math([M.symbol(given)], { block: false });
  /** A symbol and its number. @param {Page.Symbol} given */
  const both = (given) => el("span", { class: "tour-both" }, name(given), " = ", num(given));

  /** How many, in words where they are few. @param {number} n */
  const count = (n) => WORDS[n] ?? DR.text.count(n);

  /**
   * A paragraph: say`The loss is ${num(s.loss())}.`
   *
   * @param {TemplateStringsArray} texts @param {(Page.Child | Page.Child[])[]} values
   */
  const say = (texts, ...values) => el("p", {}, ...woven(texts, values));

  /** @param {TemplateStringsArray} texts @param {(Page.Child | Page.Child[])[]} values @returns {Page.Child[]} */
  const woven = (texts, values) => texts.flatMap((text, i) => [text, values[i] ?? null].flat());

  /** The same without a paragraph. @param {TemplateStringsArray} texts @param {(Page.Child | Page.Child[])[]} values */
  const words = (texts, ...values) => woven(texts, values);

  /**
   * The items of a sentence: "a, b and c", or the first and how many there are.
   *
   * @param {number} n @param {(i: number) => Page.Child | Page.Child[]} item @returns {Page.Child[]}
   */
  function list(n, item) {
    const shown = n > LISTED ? LISTED - 1 : n;
    const items = Array.from({ length: shown }, (_, i) => [item(i)].flat());
    const last = n > LISTED ? [`, … (${DR.text.count(n)} in all)`] : [];
    return items.flatMap((each, i) => [i === 0 ? "" : i === n - 1 ? " and " : ", ", ...each]).concat(last);
  }

  /** A number in a sum or a product: a negative one in brackets, unless it is the first. @param {number} x @param {number} i */
  const inside = (x, i) => (x < 0 && i > 0 ? `(${short(x)})` : short(x));
  /** A product in numbers. @param {number[]} factors @param {number} [first] 1 where it is not at the beginning */
  const product = (factors, first = 0) => factors.map((x, i) => inside(x, i + first)).join(" · ");
  /** A sum of products in numbers. @param {number[][]} terms */
  const sumOf = (terms) => terms.map((factors, i) => product(factors, i)).join(" + ");

  // -- the network ---------------------------------------------------------------------------

  /** @type {Page.Payload | null} */
  let example = null;
  /** The payload of the article's example, which every page carries. @returns {Page.Payload} */
  function examplePayload() {
    example ??= JSON.parse(DR.dom.byId("example").textContent);
    return /** @type {Page.Payload} */ (example);
  }

  /** The plain rule, θ − η g, printed from the library's own. */
  const plainRule = () => /** @type {{ weight: Page.RuleStep[] }} */ (DR.exampleFormulas.update).weight[0].f;

  /**
   * θ after a step of the plain rule along a gradient; what is frozen stays.
   *
   * @param {Page.Store} store @param {Float64Array} theta @param {Float64Array} grad @param {number} rate
   */
  function stepped({ net }, theta, grad, rate) {
    const f = plainRule();
    const next = Float64Array.from(theta, (value, m) => f(value, grad[m], rate));
    for (const [start, stop] of net.frozen) next.set(theta.subarray(start, stop), start);
    return next;
  }

  /** C over the rows of the page at θ. @param {Page.Store} store @param {Float64Array} theta */
  const costAt = (store, theta) => {
    const { X, Y, w } = store.rows;
    return DR.driver.cost(store.net, theta, X, Y, w, store.masks());
  };

  /** The multiplications of a pass over all rows. @param {Page.Store} store */
  const workOf = (store) => Math.max(store.net.p * store.rows.n, 1);

  /**
   * The largest of the rates RATE, RATE/2, … with which a step lowers the cost.
   *
   * @param {Page.Store} store
   */
  function rateThatLowers(store) {
    const { cost, grad } = store.meanHere();
    let rate = RATE;
    for (let tries = clamp(WORK / workOf(store), 1, 24); tries >= 1; --tries, rate /= 2)
      if (costAt(store, stepped(store, store.theta(), grad, rate)) < cost) return rate;
    return RATE; // at a point where none does
  }

  /**
   * Steps of the plain rule from the state that is shown: parameters and costs over the rows of the
   * page, at the largest of the rates `rate`, rate/4, … with which the cost is not higher in the end.
   *
   * @param {Page.Store} store @param {number} rate @param {number} most the number of steps
   */
  function plainRun(store, rate, most) {
    const { X, Y, w } = store.rows;
    for (let tries = 1; ; ++tries, rate /= 4) {
      const thetas = [store.theta()];
      const costs = [costAt(store, thetas[0])];
      while (costs.length <= most) {
        const before = thetas[costs.length - 1];
        const { grad } = DR.driver.gradient(store.net, before, X, Y, w, store.masks());
        const theta = stepped(store, before, grad, rate);
        const cost = costAt(store, theta);
        if (!Number.isFinite(cost)) break;
        thetas.push(theta);
        costs.push(cost);
      }
      if (tries === RUNS || (costs.length > most && costs[most] <= costs[0])) return { rate, thetas, costs };
    }
  }

  /**
   * A network with an update for the state that is shown: its own, or where the page knows none, a
   * first step by the plain rule.
   *
   * @param {Page.Payload} payload @param {Page.Formulas} formulas @param {Page.View} view
   */
  function withUpdate(payload, formulas, { state, sample, selected }) {
    const known = payload.states.findIndex((each) => each.update && each.learning_rate !== null);
    const own = known >= 0 && formulas.update !== null;
    const start = { state: own ? known : state, sample, selected };
    const store = DR.store({ ...payload, start, states: [...payload.states] }, formulas);
    if (own) return { store, plain: false };
    const given = examplePayload();
    const taken = given.states[given.start.state].update;
    const update = taken && { ...taken, number: null };
    const states = [...payload.states];
    states[state] = { ...states[state], update, left_out: null, learning_rate: rateThatLowers(store) };
    const mathml = { ...payload.mathml, update: given.mathml.update };
    const { update: rule, penalty } = DR.exampleFormulas;
    store.replace({ ...payload, start, states, mathml }, { ...formulas, update: rule, penalty });
    return { store, plain: true };
  }

  /** The index of the largest |value|; the first where none is finite. @param {ArrayLike<number>} values */
  function largest(values) {
    let best = 0;
    for (let i = 1; i < values.length; ++i) if (Math.abs(values[i]) > Math.abs(values[best])) best = i;
    return best;
  }

  /**
   * The weight to an output that the chapters follow: the selected one, or the one with the largest
   * derivative.
   *
   * @param {Page.Store} store @returns {Page.EdgeSelection}
   */
  function edgeOf({ net, state: { selected }, pass }) {
    if (selected?.kind === "edge" && selected.layer === net.L) return selected;
    const { delta, A } = pass();
    return { kind: "edge", layer: net.L, j: largest(delta[net.L]), k: largest(A[net.L - 1]) };
  }

  /**
   * What the chapters are about, on the article's example or on the network of the page.
   *
   * @param {Page.TourKind} kind @param {Page.Store} page @returns {Page.TourPlace}
   */
  function placeOf(kind, page) {
    const given = kind === "example" ? examplePayload() : page.payload;
    const formulas = kind === "example" ? DR.exampleFormulas : page.net.formulas;
    const view = kind === "example" ? { ...page.state, ...given.start } : page.state;
    const { store, plain: plainly } = withUpdate(given, formulas, view);
    const edge = edgeOf(store);
    // A weight to the node at which `edge` begins, from the largest number before it.
    const before = edge.layer - 1;
    const from = before > 0 ? largest(store.pass().A[before - 1]) : 0;
    /** @type {Page.EdgeSelection | null} */
    const hidden = before > 0 ? { kind: "edge", layer: before, j: edge.k, k: from } : null;
    return {
      kind,
      store,
      s: DR.expressions.symbols(store),
      opened: new Map(),
      base: { state: store.state.state, sample: store.state.sample },
      edge,
      hidden,
      plain: plainly,
    };
  }

  return {
    WORK,
    short,
    num,
    plain,
    name,
    both,
    count,
    say,
    words,
    list,
    inside,
    product,
    sumOf,
    stepped,
    rateThatLowers,
    plainRun,
    costAt,
    workOf,
    largest,
    placeOf,
  };
})();
DR.tourParts = tourPartsModule;

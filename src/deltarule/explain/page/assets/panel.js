// @ts-check
// The derivation of what is selected: a weight, a bias, a node, an input, or the cost.
//
// Only products of two numbers are computed here: passes come from the store, formulas from the
// payload. A screen reader announces the heading when the selection changes.
"use strict";

const panelModule = (function () {
  const { el } = DR.dom;
  const M = DR.maths;
  const { symbol, figure, formula } = M;
  const sections = DR.sections;
  const { step, product } = sections;

  /**
   * The name of a node: its name in the data if it has one, and its place.
   *
   * @param {Page.Store} { payload, net } @param {number} l @param {number} j
   */
  function nodeName({ payload, net }, l, j) {
    const { inputs, outputs } = payload.names;
    const own = l === 0 ? inputs[j] : l === net.L ? outputs[j] : null;
    const plain = l === 0 ? `x_${j}` : `a_${j}`;
    const place = l === 0 ? `input ${j}` : l === net.L ? `output ${j}` : `node ${j} of layer ${l}`;
    // A class "7" is named by its place alone: output 7.
    const named = own && own !== plain && own !== place && own !== String(j);
    return named ? `${DR.dom.apart(own)} (${place})` : place;
  }

  /**
   * A row by its name in the data, where it has one, and by its place, where that is the index of C.
   *
   * @param {Page.Store} store @param {number} i
   */
  const rowName = (store, i) => {
    const name = store.payload.names.rows[i];
    if (DR.text.isCounted(i) && store.payload.answer) return `row ${name}`;
    return name === String(i) ? `sample ${i}` : `row ${DR.dom.apart(name)}, sample ${i}`;
  };

  /** The same as short as it can be: its name in the data, or its place. @param {Page.Store} store @param {number} i */
  const rowTitle = (store, i) => {
    const name = store.payload.names.rows[i];
    const counted = DR.text.isCounted(i) && store.payload.answer;
    return name === String(i) && !counted ? `sample ${i}` : `row ${DR.dom.apart(name)}`;
  };

  /**
   * The title, and the numbers that matter most, [label, symbol].
   *
   * @param {string} title @param {[label: string, symbol: Page.Symbol][]} numbers
   */
  function head(title, ...numbers) {
    const big = numbers.map(([label, given]) =>
      el(
        "span",
        {},
        el("span", { class: "label", text: label }),
        M.math([symbol(given)], { block: false }),
        M.value(given),
      ),
    );
    return el("div", { class: "panel-head" }, el("h3", { text: title }), el("div", { class: "big" }, ...big));
  }

  /**
   * The mean's entry in a heading, with the rows it is over where they are not all.
   *
   * @param {Page.Symbol} mean @returns {[label: string, symbol: Page.Symbol]}
   */
  const meanHead = (mean) => [mean.over ? `mean ${mean.over}` : "mean", mean];

  // -- an edge ---------------------------------------------------------------------------

  /** @param {Page.Derivation} at @param {Page.EdgeSelection} selected */
  function edge(at, { layer: l, j, k }) {
    const { s, store } = at;
    const own = s.dCdw(l, j, k),
      mean = s.meanw(l, j, k);
    const title = `Weight to ${nodeName(store, l, j)} from ${nodeName(store, l - 1, k)}`;
    const over = sections.mean(
      at,
      `mean${l},${j},${k}`,
      DR.expressions.ofWeight(store, l, j, k),
      mean,
      DR.expressions.draw.dCdw(l, j, k, "i"),
    );
    return [
      head(title, ["the weight", s.w(l, j, k)], [rowName(store, s.i), own], meanHead(mean)),
      ...ordered(at, [factors(at, l, j, k, own), ...causes(at, l, j)], over),
      engineNote(store, { kind: "edge", layer: l, j, k }, mean),
      DR.update.section(at, { kind: "edge", layer: l, j, k }, s.w(l, j, k), mean),
    ];
  }

  /**
   * A note with the gradient of the engine that trained, where its digits differ from those shown.
   *
   * @param {Page.Store} store @param {Page.ParameterSelection} selected @param {Page.Symbol} mean
   */
  function engineNote(store, selected, mean) {
    const { engine, reference } = store.payload;
    if (store.changed || mean.over) return null; // the engine's gradient is of other parameters, or rows
    if (!engine?.grad || engine.at || store.state.state !== reference.state) return null;
    const theirs = DR.data.array(engine.grad).values[store.entry(selected)];
    if (DR.number(theirs) === DR.number(mean.value)) return null;
    const who = `The engine that trained (${engine.name}, ${engine.dtype})`;
    const text = `${who} computes ${DR.number(theirs)} for the mean: it rounds elsewhere.`;
    return el("p", { class: "note engine", text });
  }

  /**
   * The sections of a sample and of the mean; with "mean" chosen, that of the mean is the first.
   *
   * @param {Page.Derivation} at @param {Page.Child[]} own @param {Page.Child} mean
   */
  const ordered = (at, own, mean) => (at.store.state.mode === "mean" ? [mean, ...own] : [...own, mean]);

  /**
   * F6: three factors, or two where the layer mixes its outputs.
   *
   * @param {Page.Derivation} at
   * @param {number} l
   * @param {number} j
   * @param {number} k
   * @param {Page.Symbol} own
   */
  function factors(at, l, j, k, own) {
    const { s } = at;
    const a = s.dzdw(l, j, k);
    const two = [s.delta(l, j), a];
    if (sections.mixes(at, l)) {
      const words =
        "F6 has three factors only where an output depends on its own z alone. Here δ, a sum over all outputs, stands for the first two.";
      return step(
        "The gradient for this sample",
        "δ·a",
        el("p", { class: "note" }, ...DR.laws.within(words)),
        written(own, two),
        table(at, l, two),
      );
    }
    const three = [s.dCda(l, j), s.slope(l, j), a];
    const sound = sections.agrees(three[0].value * three[1].value, s.delta(l, j).value);
    return step(
      "Three factors",
      "F6",
      sound
        ? written(own, three)
        : formula(
            [symbol(own), "=", ...product(three)],
            [
              ["=", ...product(two)],
              ["=", figure(own)],
            ],
          ),
      sound
        ? null
        : el("p", {
            class: "limit",
            text: "The first two factors have left the range of numbers; their product δ is taken from z. See below.",
          }),
      table(at, l, three),
    );
  }

  /**
   * The product in symbols, and the same in numbers.
   *
   * @param {Page.Symbol} own @param {Page.Symbol[]} given
   */
  const written = (own, given) =>
    formula(
      [symbol(own), "=", ...product(given)],
      [
        ["=", ...product(given, figure, { factor: true })],
        ["=", figure(own)],
      ],
    );

  /**
   * The two or three factors of a gradient, each with its reason.
   *
   * @param {Page.Derivation} at
   * @param {number} l
   * @param {Page.Symbol[]} given
   */
  function table(at, l, given) {
    /** @type {Record<number, string[]>} */
    const reasons = {
      3: [
        sections.isOutput(at, l)
          ? "how the loss depends on this output: F7, below"
          : `through all nodes of layer ${l + 1}: F13, below`,
        at.s.dropped(l)
          ? "the slope of the activation at z, times the mask of dropout: F8"
          : "the slope of the activation at z: F8",
        l === 1
          ? "what the weight multiplies: the input, F9"
          : "what the weight multiplies: the activation before it, F9",
      ],
      2: [
        "∂C/∂z of this node, below",
        l === 1 ? "what the weight multiplies: the input, F9" : "what the weight multiplies, F9",
      ],
    };
    const why = reasons[given.length];
    const lines = given.map((each, i) =>
      el(
        "li",
        {},
        M.math([symbol(each)], { block: false }),
        el("span", { class: "why" }, ...DR.laws.within(why[i])),
        M.value(each),
      ),
    );
    return el("ol", { class: "factors3" }, ...lines);
  }

  /**
   * Where the factors come from.
   *
   * @param {Page.Derivation} at @param {number} l @param {number} j @returns {Page.Child[]}
   */
  const causes = (at, l, j) =>
    sections.mixes(at, l)
      ? [sections.delta(at, l, j)]
      : [
          sections.upstream(at, l, j),
          sections.slope(at, l, j),
          at.store.net.fused && sections.isOutput(at, l) ? sections.delta(at, l, j) : null,
        ];

  // -- a bias ----------------------------------------------------------------------------

  /** @param {Page.Derivation} at @param {Page.BiasSelection} selected */
  function bias(at, { layer: l, j }) {
    const { s, store } = at;
    const own = s.dCdb(l, j),
      mean = s.meanb(l, j);
    const words = "A bias is a weight whose input is always 1, so ∂z/∂b = 1 and its gradient is δ.";
    const gradient = step(
      "The gradient for this sample",
      "δ",
      el("p", { class: "note", text: words }),
      formula([symbol(own), "=", symbol(s.delta(l, j)), "·", M.mn(1), "=", figure(own)]),
    );
    const over = sections.mean(
      at,
      `meanb${l},${j}`,
      DR.expressions.ofBias(store, l, j),
      mean,
      DR.expressions.draw.dCdb(l, j, "i"),
    );
    return [
      head(
        `Bias of ${nodeName(store, l, j)}`,
        ["the bias", s.b(l, j)],
        [rowName(store, s.i), own],
        meanHead(mean),
      ),
      ...ordered(
        at,
        [
          gradient,
          ...(sections.mixes(at, l) ? [] : [sections.upstream(at, l, j), sections.slope(at, l, j)]),
          sections.delta(at, l, j),
        ],
        over,
      ),
      engineNote(store, { kind: "bias", layer: l, j }, mean),
      DR.update.section(at, { kind: "bias", layer: l, j }, s.b(l, j), mean),
    ];
  }

  // -- a node ----------------------------------------------------------------------------

  /** @param {Page.Derivation} at @param {Page.NodeSelection} selected @returns {Page.Child[]} */
  function node(at, { layer: l, j }) {
    const { s, store } = at;
    if (l === 0) return input(at, j);
    const title = nodeName(store, l, j);
    return [
      head(title[0].toUpperCase() + title.slice(1), ["", s.z(l, j)], ["", s.a(l, j)], ["", s.delta(l, j)]),
      sections.weighted(at, l, j),
      sections.activation(at, l, j),
      sections.slope(at, l, j),
      sections.mixes(at, l) ? null : sections.upstream(at, l, j),
      sections.delta(at, l, j),
    ];
  }

  /** @param {Page.Derivation} at @param {number} k */
  function input(at, k) {
    const { s, store } = at;
    const up = s.dCda(0, k);
    const lower =
      up.value === 0
        ? "To first order the loss does not depend on it here."
        : `A ${up.value > 0 ? "smaller" : "larger"} value would lower the loss of this sample, to first order by ${DR.number(Math.abs(up.value))} for each unit.`;
    const column = (store.payload.columns || []).find((each) => each.inputs.includes(k));
    const cell = column?.cells[s.i];
    const from = column
      ? el("p", {
          class: "note",
          text: `It is made from the column ${DR.dom.apart(column.name)} (${column.kind}), where this row has ${cell === null ? "nothing" : JSON.stringify(cell)}.`,
        })
      : null;
    const title = nodeName(store, 0, k);
    return [
      head(title[0].toUpperCase() + title.slice(1), [rowName(store, s.i), s.a(0, k)], ["", up]),
      step("What would lower the loss", "", el("p", { text: lower }), from),
      sections.upstream(at, 0, k),
    ];
  }

  // -- the cost --------------------------------------------------------------------------

  /** @param {Page.Derivation} at */
  function cost(at) {
    const { s, store } = at;
    const mean = s.cost();
    const over = sections.mean(at, "cost", DR.expressions.ofLoss(store), mean, DR.expressions.draw.loss("i"));
    return [
      head("The cost", [rowName(store, s.i), s.loss()], meanHead(mean)),
      ...ordered(at, [sections.loss(at)], over),
    ];
  }

  // -- the panel -------------------------------------------------------------------------

  /** The parts of a derivation, the heading first. @param {Page.Derivation} at @param {Page.Selection | null} what */
  function partsOf(at, what) {
    if (what?.kind === "edge") return edge(at, what);
    if (what?.kind === "bias") return bias(at, what);
    return what?.kind === "node" ? node(at, what) : cost(at);
  }
  /**
   * A note on the number that "what if" has changed, with a button that takes it back; null without a change.
   *
   * @param {Page.Store} store
   */
  function changeOf(store) {
    const seen = store.seen();
    if (!seen.changed) return null;
    const { what, delta } = seen.changed;
    const { layer: l, j, k, kind } = what;
    if (kind === "cost") return null;
    const { symbols } = DR.text;
    const [, name] =
      kind === "edge" ? symbols.w(l, j, k) : kind === "bias" ? symbols.b(l, j) : symbols.a(0, j);
    const entry = store.entry(what);
    const before = entry >= 0 ? store.theta()[entry] : store.x()[j];
    const text =
      `What if: ${name} is ${DR.number(before + delta)} in place of ${DR.number(before)}. ` +
      "Every number here is of the changed network. ";
    const back = el("button", {
      type: "button",
      class: "link",
      text: "Back to the network as it was",
      onclick: () => store.set({ nudge: null }),
    });
    return el("p", { class: "limit changed", "data-changed": "" }, text, back);
  }

  return {
    nodeName,
    rowName,
    rowTitle,
    factors,

    /**
     * Shows the derivation of the store's selection in `element`, and follows the store.
     *
     * @param {HTMLElement} element @param {Page.Store} store
     */
    mount(element, store) {
      /** @type {Map<string, number>} */
      const opened = new Map();
      const content = el("div", {});
      const heading = el("div", { "aria-live": "polite" });
      element.replaceChildren(DR.images.beside(heading, store), content);
      M.watch((selected) => store.set({ selected }));
      DR.laws.use(store.payload.laws);

      /** @param {boolean} [other] whether something else has been selected */
      function render(other = false) {
        const { selected } = store.state;
        const seen = store.seen();
        const at = { store: seen, s: DR.expressions.symbols(seen), opened };
        const parts = partsOf(at, selected).filter((part) => part !== null && part !== undefined);
        const hint = selected
          ? null
          : el("p", {
              class: "note",
              text: "Choose a node or a line of the drawing to see where its numbers come from.",
            });
        // If the element with the focus is replaced, the focus goes to the panel, where a reader who
        // followed a symbol goes on.
        const inside = content.contains(document.activeElement);
        if (other && selected && parts[0] instanceof Element) parts[0].classList.add("fresh");
        heading.replaceChildren(...[changeOf(store), parts[0], hint].filter((part) => part !== null));
        DR.dom.put(element, "aria-busy", null);
        content.replaceChildren(...parts.slice(1));
        if (inside) element.focus({ preventScroll: true });
      }

      // Reading scrollTop in a click would make the browser lay out the page; an event tells it.
      let scrolled = false;
      element.addEventListener("scroll", () => (scrolled = element.scrollTop > 0), { passive: true });

      // A slider changes a number many times a second, and a mean needs a pass over all rows.
      let waiting = 0;
      const soon = () => {
        DR.dom.put(element, "aria-busy", "true");
        clearTimeout(waiting);
        waiting = setTimeout(() => render(), 60);
      };

      render();
      store.subscribe((_, changed) => {
        if (changed.has("nudge")) soon();
        if (changed.has("selected") || changed.has("payload")) opened.clear();
        if (["selected", "sample", "state", "mode", "payload"].some((key) => changed.has(key))) {
          render(changed.has("selected"));
          if (changed.has("selected") && scrolled) element.scrollTop = 0;
        }
      });
    },
  };
})();
DR.panel = panelModule;

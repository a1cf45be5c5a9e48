// @ts-check
// What if: one number changed by Δ, or a full step; the change that the slope promises, to first
// order, beside the true change.
//
//   C(w + Δ) ≈ C + ∂C/∂w · Δ          C(θ − η∇C) ≈ C − η‖∇C‖²
"use strict";

const whatifModule = (function () {
  const { el, shown, eachFrame } = DR.dom;
  const { row, table, dial } = DR.dials;
  const { symbols } = DR.text;
  const BOX = { height: 210, left: 62, right: 14, top: 18, bottom: 38 };
  const WORK = 3e7; // multiplications a plot may take
  const REACH = 1; // Δ goes at least so far each way

  /**
   * What Δ is added to for a selection: a weight, a bias or an input; for a node its bias; or nothing.
   *
   * @param {Page.Store} store @returns {Page.NodeSelection | Page.ParameterSelection | null}
   */
  function targetOf(store) {
    const { selected } = store.state,
      { net } = store;
    if (!selected || selected.kind === "cost") return null;
    if (selected.kind === "node" && selected.layer > 0) {
      return net.b[selected.layer] === null ? null : { kind: "bias", layer: selected.layer, j: selected.j };
    }
    return selected;
  }

  /** @param {Page.Selection | null | undefined} a @param {Page.Selection | null | undefined} b */
  const same = (a, b) => Boolean(a && b) && DR.parts.keyOf(a) === DR.parts.keyOf(b);

  /**
   * The number that Δ is added to, its symbol, and its two derivatives.
   *
   * @typedef {{ symbol: Page.SymbolName, value: number, each: number, mean: number, below: string, C: string }} Fact
   * @param {Page.Store} store @param {Page.NodeSelection | Page.ParameterSelection} what @returns {Fact}
   */
  function facts(store, what) {
    const { layer: l, j, k, kind } = what,
      pass = store.pass(),
      i = store.state.sample;
    const C = symbols.loss(i)[1];
    if (kind === "node") {
      const symbol = symbols.a(0, j),
        each = pass.dX[j];
      return {
        symbol,
        value: store.x()[j],
        each,
        mean: store.rows.w[i] * each,
        below: `x${DR.text.sub(j)}`,
        C,
      };
    }
    const entry = store.entry(what);
    const each = pass.delta[l][j] * (kind === "bias" ? 1 : pass.A[l - 1][k]);
    const symbol = kind === "bias" ? symbols.b(l, j) : symbols.w(l, j, k);
    return {
      symbol,
      value: store.theta()[entry],
      each,
      mean: store.meanHere().grad[entry],
      below: symbol[1],
      C,
    };
  }

  /**
   * C_i, or with `mean` C, as a function of Δ.
   *
   * @param {Page.Store} store @param {Page.NodeSelection | Page.ParameterSelection} what @param {boolean} mean
   */
  function along(store, what, mean) {
    const { net, rows, state } = store,
      masks = store.masks(),
      i = state.sample;
    const theta = Float64Array.from(store.theta()),
      x = Float64Array.from(store.x());
    const entry = store.entry(what);
    const [array, at] = entry >= 0 ? [theta, entry] : [x, what.j];
    const start = array[at];
    const one = () => DR.driver.loss(net, theta, x, store.y(), DR.driver.masksOf(masks, i));
    const base = store.pass().loss,
      cost = mean ? store.meanHere().cost : 0;
    return (/** @type {number} */ delta) => {
      array[at] = start + delta;
      if (!mean) return one();
      return entry >= 0
        ? DR.driver.cost(net, theta, rows.X, rows.Y, rows.w, masks)
        : cost + rows.w[i] * (one() - base);
    };
  }

  /** C as a function of η, the step against ∇C. @param {Page.Store} store */
  function stepped(store) {
    const { net, rows } = store,
      { grad } = store.meanHere(),
      theta = store.theta(),
      masks = store.masks();
    const moved = new Float64Array(theta.length);
    return (/** @type {number} */ eta) => {
      for (let q = 0; q < moved.length; ++q) moved[q] = theta[q] - eta * grad[q];
      return DR.driver.cost(net, moved, rows.X, rows.Y, rows.w, masks);
    };
  }

  /** @param {Float64Array} grad */
  const squareOf = (grad) => grad.reduce((sum, g) => sum + g * g, 0);

  /** The number that is changed, before and after; `other` says that the nudge is elsewhere. */
  const change = (/** @type {Fact} */ fact, /** @type {number} */ delta, /** @type {boolean} */ other) => [
    el("b", { text: fact.below }),
    " = ",
    shown(fact.symbol[0], fact.value),
    " → ",
    el("b", {
      "data-whatif": "value",
      "data-value": String(fact.value + delta),
      text: DR.number(fact.value + delta),
    }),
    other
      ? el("span", {
          class: "note",
          text: " Another number is changed at the moment; Reset takes that back.",
        })
      : "",
  ];

  /**
   * The change that the slope promises for Δ, the true change, and the difference: of C_i and of C.
   *
   * @param {Page.Store} store @param {Fact} fact @param {number} delta
   */
  function promises(store, fact, delta) {
    const now = delta ? store.nudged() : null;
    const promised = [fact.each * delta, fact.mean * delta];
    const found = now ? [now.pass.loss - store.pass().loss, now.cost - store.meanHere().cost] : [0, 0];
    /** @param {number[]} values @returns {[which: string, value: number][]} */
    const both = ([sample, mean]) => [
      ["sample", sample],
      ["mean", mean],
    ];
    return table(
      [fact.C, `C${store.some()}`],
      [
        row(`∂C/∂${fact.below} · Δ`, both(promised), "promised"),
        row("true change", both(found), "true"),
        row("the difference", both(found.map((value, i) => value - promised[i])), "difference"),
      ],
    );
  }

  /** @param {Page.Store} store */
  function oneNumber(store) {
    const title = el("p", { class: "whatif-title" });
    const body = el("div"),
      picture = el("div", { class: "picture" });
    let reach = REACH;
    const nudge = eachFrame((/** @type {number} */ delta) => {
      const what = targetOf(store);
      if (what) store.set({ nudge: delta === 0 ? null : { what, delta } });
    });
    const knob = dial("delta", "Δ", { min: -1, max: 1, step: 0.01 }, nudge);
    const reset = el("button", {
      type: "button",
      class: "button",
      text: "Reset",
      onclick: () => store.set({ nudge: null }),
    });
    const controls = el("div", { class: "row" }, knob, reset);
    const element = el(
      "div",
      { class: "half" },
      el("h3", { text: "Change one number by Δ" }),
      title,
      controls,
      body,
      picture,
    );

    function target() {
      const { nudge } = store.state,
        what = targetOf(store);
      const changed = nudge && nudge.what.kind !== "cost" ? nudge.what : null;
      return what || changed;
    }

    function render() {
      const { nudge, selected } = store.state,
        what = target();
      reset.disabled = !nudge;
      controls.hidden = picture.hidden = !what;
      if (!what) {
        const hidden = selected && selected.kind === "node";
        title.replaceChildren(
          hidden
            ? "This node has no bias to change. Select one of its weights, or an input."
            : "Select a weight, a bias or an input in the drawing. " +
                "Then move Δ, and every number behind it moves.",
        );
        body.replaceChildren();
        return;
      }
      const fact = facts(store, what),
        delta = nudge && same(nudge.what, what) ? nudge.delta : 0;
      const most = Math.max(REACH, 2 * Math.abs(fact.value), Math.abs(delta));
      if (!(delta !== 0 && most <= reach)) reach = most;
      knob.limit(reach);
      knob.show(delta);
      title.replaceChildren(...change(fact, delta, Boolean(nudge && !delta)));
      body.replaceChildren(promises(store, fact, delta));
    }

    function draw() {
      const what = target();
      if (!what) return;
      const mean = store.state.mode === "mean",
        work = store.net.p * (mean ? store.rows.n : 1);
      const fact = facts(store, what),
        points = Math.min(61, Math.floor(WORK / work));
      if (points < 7) return picture.replaceChildren();
      const { nudge } = store.state;
      const delta = nudge && same(nudge.what, what) ? nudge.delta : 0;
      const name = mean ? `C${store.some()}` : fact.C;
      picture.replaceChildren(
        DR.plots.tangent(along(store, what, mean), DR.plots.fitted(BOX, picture, 640), {
          low: -reach,
          high: reach,
          at: delta,
          base: mean ? store.meanHere().cost : store.pass().loss,
          slope: mean ? fact.mean : fact.each,
          points,
          xTitle: `Δ added to ${fact.below}`,
          yTitle: name,
          words: `${name} as ${fact.below} changes, and its tangent at Δ = 0`,
        }),
      );
    }
    return { element, render, draw };
  }

  /** @param {Page.Store} store */
  function fullStep(store) {
    /** @type {number | null} */
    let eta = null;
    const body = el("div"),
      verdict = el("p", { class: "note" }),
      picture = el("div", { class: "picture" });
    const change = eachFrame((/** @type {number} */ value) => {
      eta = Math.max(value, 0);
      render();
      later();
    });
    const knob = dial(
      "eta",
      "η",
      {
        min: -4,
        max: 2,
        step: 0.02,
        read: (v) => Number((10 ** v).toPrecision(3)),
        write: (v) => Math.log10(Math.max(v, 1e-4)),
      },
      change,
    );
    const element = el(
      "div",
      { class: "half" },
      el("h3", { text: "Take a full step against the gradient" }),
      el("div", { class: "row" }, knob),
      body,
      verdict,
      picture,
    );
    let waiting = 0;
    const later = () => {
      clearTimeout(waiting);
      waiting = setTimeout(draw, 60);
    };

    function own() {
      const { update } = store.current(),
        after = DR.data.array(update?.theta_after);
      if (!update || !after) return null;
      const { net, rows } = store,
        { grad, cost } = store.meanHere(),
        theta = store.theta();
      const promised = grad.reduce((sum, g, q) => sum + g * (after.values[q] - theta[q]), 0);
      const change = DR.driver.cost(net, after.values, rows.X, rows.Y, rows.w, store.masks()) - cost;
      return { rule: DR.plan.plainName(update.rule), promised, change };
    }

    function render() {
      if (eta === null) eta = store.current().learning_rate || 0.1;
      knob.show(eta);
      const { grad, cost } = store.meanHere(),
        square = squareOf(grad);
      const change = stepped(store)(eta) - cost,
        promised = -eta * square,
        mine = own();
      body.replaceChildren(
        table(
          [`change of C${store.some()}`],
          [
            row("−η‖∇C‖²", [["step", promised]], "promised"),
            row("true change", [["step", change]], "true"),
            row("the difference", [["step", change - promised]], "difference"),
            ...(mine
              ? [
                  row(`the ${mine.rule} step taken: ∇C · Δθ`, [["rule", mine.promised]], "promised"),
                  row("its true change", [["rule", mine.change]], "true"),
                ]
              : []),
          ],
        ),
      );
      const part = change / promised;
      verdict.textContent =
        square === 0
          ? "The gradient is zero: there is no way down from here."
          : !Number.isFinite(change)
            ? "The step leads to where the loss is no number: η is far too large."
            : change > 0
              ? "The step overshoots: the loss rises. The straight line holds only near the start."
              : `The step delivers ${Math.round(100 * part)} % of what the slope promised.`;
    }

    function draw() {
      const { grad, cost } = store.meanHere(),
        square = squareOf(grad),
        { n } = store.rows;
      const points = Math.min(49, Math.floor(WORK / (store.net.p * n)));
      if (points < 7 || square === 0 || eta === null || !(eta > 0)) return picture.replaceChildren();
      picture.replaceChildren(
        DR.plots.tangent(stepped(store), DR.plots.fitted(BOX, picture, 640), {
          low: 0,
          high: 2 * eta,
          at: eta,
          base: cost,
          slope: -square,
          points,
          xTitle: "η, along −∇C",
          yTitle: `C${store.some()}`,
          words: "C along the step against the gradient, and its tangent at the start",
        }),
      );
    }
    const restart = () => {
      eta = null;
    };
    return { element, render, draw, restart };
  }

  /** @param {HTMLElement} element @param {Page.Store} store */
  function mount(element, store) {
    const one = oneNumber(store),
      full = fullStep(store);
    let waiting = 0;
    let stale = false;
    // Plots need passes over all rows: they are drawn a moment after the click. That of the full step is of
    // all parameters and rows: which are selected, and a nudge, do not change it.
    const later = (resized = false) => {
      if (stale) full.render();
      if (stale || resized) full.draw();
      stale = false;
      one.draw();
    };
    element.classList.add("whatif");
    element.replaceChildren(one.element, full.element);
    /** @param {Page.View} _state @param {Page.Changed} changed */
    function update(_state, changed) {
      const elsewhere = ["payload", "state"].some((key) => changed.has(key));
      if (changed.has("payload")) full.restart();
      if (elsewhere || ["sample", "selected", "nudge", "mode"].some((key) => changed.has(key))) {
        one.render();
        clearTimeout(waiting);
        waiting = setTimeout(later, 60);
      }
      stale = stale || elsewhere;
    }
    store.subscribe(update);
    update(store.state, new Set(["payload"]));
    DR.plots.onWidth(element, () => later(true));
  }

  return { mount };
})();
DR.whatif = whatifModule;

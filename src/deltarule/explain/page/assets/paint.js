// @ts-check
// Paints numbers, colours and emphasis on the parts that drawing.js has built.
"use strict";

const paintModule = (function () {
  const { el, svg, put, brief } = DR.dom;

  const SMALL = 22; // half a picture that has no room for more than a number
  const STRONG = 48; // lines between two layers that are drawn in full
  const FEW = 40; // lines that have room to be wide

  /**
   * The passes with and without the nudge; without one they are the same.
   *
   * @param {Page.Store} store @returns {Page.Painted}
   */
  function seen(store) {
    const nudged = store.nudged();
    return {
      base: store.pass(),
      pass: nudged ? nudged.pass : store.pass(),
      nudged,
      theta: nudged ? nudged.theta : store.theta(),
    };
  }

  /**
   * What the lines show: in a sweep what it computes, else what the reader chose.
   *
   * @param {Page.View} state
   */
  function mode(state) {
    if (state.sweep) return state.sweep.direction === "forward" ? "weight" : "gradient";
    return state.colour;
  }

  /**
   * The number that an edge shows, as a function of (l, j, k); k = −1 is a bias.
   *
   * @param {Page.Store} store @param {Page.Painted} [now]
   * @returns {(l: number, j: number, k: number) => number}
   */
  function edgeValue(store, now = seen(store)) {
    const { net, state } = store;
    /** @param {number} l @param {number} j @param {number} k */
    const at = (l, j, k) => (k < 0 ? DR.driver.biasAt(net, l, j) : DR.driver.weightAt(net, l, j, k));
    if (mode(state) === "weight") return (l, j, k) => now.theta[at(l, j, k)];
    if (state.mode === "mean" && !state.sweep) {
      const { grad } = store.seen().mean();
      return (l, j, k) => grad[at(l, j, k)];
    }
    return (l, j, k) => now.pass.delta[l][j] * (k < 0 ? 1 : now.pass.A[l - 1][k]);
  }

  /** @param {Page.Store} store @param {number} l @param {number} j @param {number} k */
  function edgeSymbol(store, l, j, k) {
    const { symbols } = DR.text,
      { state } = store;
    if (mode(state) === "weight") return k < 0 ? symbols.b(l, j) : symbols.w(l, j, k);
    const mean = state.mode === "mean" && !state.sweep;
    const i = mean ? "" : state.sample;
    const [id, text] = k < 0 ? symbols.dCdb(l, j, i) : symbols.dCdw(l, j, k, i);
    const over = mean ? store.seen().mean().gradOver : "";
    return [id + over, text + over];
  }

  /** @param {number} value */
  const signOf = (value) => (value > 0 ? "positive" : value < 0 ? "negative" : "zero");

  /**
   * Writes a number and the name of its symbol; with `symbol` null, a text that is no number of the network.
   *
   * @param {Element} element
   * @param {string | null} symbol
   * @param {number | null} value
   * @param {string} text
   */
  function number(element, symbol, value, text) {
    put(element, "data-symbol", symbol);
    put(element, "data-value", symbol === null ? null : value);
    if (element.textContent !== text) element.textContent = text;
  }

  /**
   * Makes the weak lines between two crowded layers faint, until an end of theirs is chosen.
   *
   * @param {Page.Drawing} view
   */
  function thinOut(view) {
    for (let l = 1; l <= view.store.net.L; ++l) {
      const between = view.edges.filter((part) => part.l === l);
      const sizes = between.map((part) => Math.abs(part.value)).sort((a, b) => b - a);
      for (const part of between)
        part.faint = sizes.length > STRONG && Math.abs(part.value) < sizes[STRONG - 1];
    }
  }

  /**
   * Makes a node as wide as its number needs, which is more than usual for an extreme one.
   *
   * @param {Page.NodePart} part @param {number} wanted half of the width @param {number} usual
   */
  function widen(part, wanted, usual) {
    if ((part.half ?? usual) === wanted) return;
    part.half = wanted;
    for (const [shape, by] of /** @type {[Element, number][]} */ ([
      [part.face, 0],
      [part.halo, 3.5],
    ])) {
      put(shape, "x", part.x - wanted - by);
      put(shape, "width", 2 * (wanted + by));
    }
  }

  /** @param {Page.Drawing} view @param {Page.Known} known */
  function paintEdges(view, known) {
    const { store } = view,
      { state } = store,
      what = mode(state);
    const value = edgeValue(store, view.now);
    let most = 0;
    for (const part of view.edges) {
      part.shown = what === "weight" || known.delta(part.l, part.j);
      part.value = value(part.l, part.j, part.k);
      if (Number.isFinite(part.value)) most = Math.max(most, Math.abs(part.value));
    }
    thinOut(view);
    // Many lines are thin, and the weak ones pale, so that nodes and strong lines are seen among them.
    const crowd = DR.dom.clamp(Math.sqrt(FEW / view.edges.length), 0.5, 1);
    for (const part of view.edges) {
      const t = most > 0 && Number.isFinite(part.value) ? Math.abs(part.value) / most : 0;
      const sign = part.shown ? signOf(part.value) : "unknown";
      part.tone = `edge ${sign}`;
      const width = part.shown ? 0.9 + 5.1 * t ** 0.8 * crowd : 0.9;
      put(part.element, "stroke-width", width.toFixed(2));
      const least = 0.35 * crowd;
      put(part.element, "stroke-opacity", part.shown ? (least + (1 - least) * t).toFixed(2) : null);
      const [, text] = edgeSymbol(store, part.l, part.j, part.k);
      const name =
        part.k < 0
          ? `bias of node ${part.j} in layer ${part.l}`
          : `from node ${part.k} of layer ${part.l - 1} to node ${part.j} of layer ${part.l}`;
      put(
        part.element,
        "aria-label",
        `${text}, ${name}: ${part.shown ? DR.number(part.value) : "not computed yet"}`,
      );
    }
    return most;
  }

  /**
   * @param {Page.Drawing} view
   * @param {Page.NodePart} part
   * @param {Page.Known} known
   * @param {boolean} backward
   */
  function paintNode(view, part, known, backward) {
    const { store, now, plan } = view,
      { layer: l, j } = part.what,
      { symbols } = DR.text;
    const { state } = store,
      { digits, font, half, scale } = plan;
    const a = now.pass.A[l][j],
      old = now.base.A[l][j];
    const computed = known.a(l, j);
    // Below a picture there is the room between two columns.
    const room = plan.pictured ? 2 * half + 24 * scale : 2 * half - 4 * scale;
    const text = computed ? DR.layout.numberIn(a, room, font, { digits }) : "";
    number(part.value, computed ? symbols.a(l, j)[0] : null, a, text);
    if (!plan.pictured) widen(part, Math.max(half, DR.layout.numberWidth(text, font) / 2 + 5 * scale), half);
    const moved = now.nudged && computed && a !== old;
    const i = state.sample;
    const delta = l === 0 ? now.pass.up[0][j] : now.pass.delta[l][j];
    const down = l === 0 ? symbols.dCda(0, j, i) : symbols.delta(l, j);
    const showDelta = backward && known.delta(l, j) && (state.mode === "sample" || state.sweep);
    const word = moved
      ? "was "
      : !showDelta || (plan.pictured && plan.r < SMALL)
        ? ""
        : l === 0
          ? "∂ "
          : "δ ";
    if (part.word.textContent !== word) part.word.textContent = word;
    if (moved) number(part.below, null, null, brief(old, digits));
    else if (showDelta) number(part.below, down[0], delta, brief(delta, digits));
    else number(part.below, null, null, "");
    // An empty text has its box at the origin, to which the box of the node's group would extend.
    put(part.under, "display", part.below.textContent === "" ? "none" : null);
    put(part.under, "class", `below ${moved ? "moved" : showDelta ? signOf(delta) : ""}`);
    part.fill = backward ? (known.delta(l, j) ? delta : NaN) : computed ? a : NaN;
    part.tone = `node${computed ? "" : " empty"}${moved ? " moved" : ""}`;
    const name =
      l === 0
        ? (store.payload.names.inputs[j] ?? "")
        : l === store.net.L
          ? (store.payload.names.outputs[j] ?? "")
          : "";
    const words = computed ? DR.number(a) : "not computed yet";
    const also = showDelta ? `, ${down[1]}: ${DR.number(delta)}` : "";
    put(
      part.element,
      "aria-label",
      `${name ? `${name}, ` : ""}node ${j} of layer ${l}, ${symbols.a(l, j)[1]}: ${words}${also}`,
    );
  }

  /**
   * Fills by sign and size: |a| relative to the layer's largest, |δ| to the network's.
   *
   * @param {Page.Drawing} view @param {Page.NodePart[]} nodes @param {boolean} backward
   */
  function paintFills(view, nodes, backward) {
    const most = view.plan.columns.map(() => 0);
    for (const { what, fill } of nodes)
      if (Number.isFinite(fill)) most[what.layer] = Math.max(most[what.layer], Math.abs(fill));
    const all = Math.max(...most.slice(1), 0);
    for (const part of nodes) {
      const scale = backward && part.what.layer > 0 ? all : most[part.what.layer];
      const t = Number.isFinite(part.fill) && scale > 0 ? Math.abs(part.fill) / scale : 0;
      const style = `--t: ${Math.round(t * 100)}%`;
      put(part.face, "style", style);
      part.tone += ` ${Number.isFinite(part.fill) ? signOf(part.fill) : "unknown"}`;
    }
  }

  /** @param {Page.Drawing} view @param {Page.Known} known */
  function paintEnd(view, known) {
    const { store, now } = view,
      { state } = store,
      { symbols } = DR.text,
      y = store.y();
    const { u, loss, target } = view.plan;
    for (const { j, value, box, room } of view.targets) {
      const whole = Number.isInteger(y[j]) && Math.abs(y[j]) < 1e4;
      const text = whole ? `${y[j]}`.replace("-", DR.text.MINUS) : "";
      number(value, symbols.y(j)[0], y[j], text || DR.layout.numberIn(y[j], room, 12.5 * u));
      // An extreme number makes its box wider, most of it where the line to the loss is.
      const more = Math.max(0, DR.layout.numberWidth(value.textContent ?? "", 12.5 * u) - room);
      const left = Math.min(more, 5 * u);
      put(box, "x", target.x - target.half - left);
      put(box, "width", 2 * target.half + more);
      put(value, "x", target.x + target.half + more - left - (view.plan.narrow ? 5 : 7) * u);
    }
    const part = /** @type {Page.LossPart} */ (view.parts.get("cost"));
    const mean = state.mode === "mean" && !state.sweep;
    const { cost, costOver: over } = !mean
      ? { cost: now.pass.loss, costOver: "" }
      : now.nudged
        ? { cost: now.nudged.cost, costOver: store.some() }
        : store.mean();
    const [symbol, text] = mean ? symbols.cost() : symbols.loss(state.sample);
    const name = symbol + over;
    const room = 2 * loss.half - 14 * u;
    const words = known.loss ? DR.layout.numberIn(cost, room, 15 * u, { full: true }) : "";
    number(part.value, known.loss ? name : null, cost, words);
    // Of a portfolio the drawing is of one network, whose loss is not that of the answer above.
    const ofOne = store.payload.answer?.portfolio ? "network 1’s loss" : `loss ${text}`;
    // The full words for its rows are in its label, and below the drawing.
    const title = mean
      ? over
        ? `C over ${store.rows.n} of ${store.rows.of}`
        : "mean loss C"
      : `${ofOne} of ${DR.panel.rowTitle(store, state.sample)}`;
    DR.parts.titleLoss(part, title, room, view.plan);
    part.tone = `loss${known.loss ? "" : " empty"}`;
    put(
      part.element,
      "aria-label",
      `${over ? `mean loss C${over}` : mean ? title : `loss ${text} of ${DR.panel.rowName(store, state.sample)}`}: ${known.loss ? DR.number(cost) : "not computed yet"}`,
    );
  }

  /**
   * Whether a line carries what a sweep computes now.
   *
   * @param {Page.SweepStep | null} sweep @param {Page.Edge} part @param {number} L
   */
  function flows(sweep, part, L) {
    if (!sweep) return false;
    const { direction, layer, node } = sweep;
    if (direction === "forward") return part.l === layer && (node === null || part.j === node);
    return layer < L && part.l === layer + 1 && part.k >= 0 && (node === null || part.k === node);
  }

  /**
   * Whether a sweep computes the loss from output j, or the gradient at it.
   *
   * @param {Page.SweepStep | null} sweep @param {number} j @param {number} L
   */
  function reachesLoss(sweep, j, L) {
    if (!sweep) return false;
    const { direction, layer, node } = sweep;
    return direction === "forward" ? layer > L : layer === L && (node === null || node === j);
  }

  /** @param {Page.SweepStep | null} sweep @param {Page.Selection} what @param {number} L */
  function isNow(sweep, what, L) {
    if (!sweep) return false;
    if (what.kind === "cost") return sweep.layer > L;
    return what.layer === sweep.layer && (sweep.node === null || sweep.node === what.j);
  }

  /**
   * The classes for selection, hovering and the place of the sweep, and labels on lines.
   *
   * @param {Page.Drawing} view
   */
  function emphasis(view) {
    const { store } = view,
      { selected, sweep } = store.state,
      { L } = store.net;
    const chosen = DR.parts.keyOf(selected);
    const meant = sweep?.meant ? DR.parts.keyOf(sweep.meant) : null;
    const hot = view.hot ? (view.parts.get(view.hot) ?? null) : null;
    const focus = hot ? hot.what : selected;
    const dims = focus && focus.kind !== "cost";
    for (const [key, part] of view.parts) {
      let tone = part.tone;
      if (key === chosen) tone += " selected";
      if (key === view.hot) tone += " hot";
      if (view.linked.has(key)) tone += " linked";
      if (part.line) {
        // In a sweep its own lines stand out, else those of what is pointed at or selected.
        const touches = DR.plan.touches(part, sweep && !hot ? null : focus);
        if (key === meant) tone += " meant";
        else if (flows(sweep, part, L)) tone += ` lit ${sweep?.direction}`;
        else if (!touches && (dims || sweep || view.linked.size)) tone += " dim";
        if (part.faint && part.shown && key !== meant && !(touches && focus)) tone += " faint";
      } else if (isNow(sweep, part.what, L)) tone += " now";
      put(part.element, "class", tone);
      if (part.what.kind) put(part.element, "aria-pressed", key === chosen ? "true" : "false");
    }
    for (const { j, group } of view.targets) {
      const lit = reachesLoss(sweep, j, L) ? ` lit ${sweep?.direction}` : "";
      put(group, "class", `target${lit}${view.linked.has(`target:${j}`) ? " linked" : ""}`);
    }
    const labels = [];
    /** @type {Page.Rect[] | null} */
    let full = null;
    for (const part of new Set([view.parts.get(chosen), hot]))
      if (part?.line && part.shown) {
        full ??= DR.layout.taken(view);
        labels.push(label(view, part, full));
      }
    view.labels.replaceChildren(...labels.map(({ drawn }) => drawn));
    view.leaders.replaceChildren(...labels.flatMap(({ leader }) => leader ?? []));
  }

  /**
   * The end of a label's leader: on its line, as near as may be.
   *
   * @param {Page.Segment} line @param {number} x @param {number} y
   */
  function nearest({ x1, y1, x2, y2 }, x, y) {
    const [dx, dy] = [x2 - x1, y2 - y1];
    const t = DR.dom.clamp(((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1), 0.15, 0.85);
    return { x2: x1 + t * dx, y2: y1 + t * dy };
  }

  /**
   * The label of a line, in one row or two, where it covers no number; its place is then taken.
   *
   * @param {Page.Drawing} view @param {Page.EdgePart} part @param {Page.Rect[]} full
   */
  function label({ store, plan }, part, full) {
    const [symbol, text] = edgeSymbol(store, part.l, part.j, part.k);
    const words = DR.number(part.value),
      { u } = plan,
      font = `550 ${12 * u}px`;
    const [name, value, sign] = [text, words, " = "].map((each) => DR.dom.textWidth(each, font));
    const early = Math.max(name + sign, value) < Math.max(name, value + sign);
    /** @type {[width: number, height: number][]} */
    const sizes = [
      [name + sign + value + 18 * u, 25 * u],
      [0.92 * Math.max(name + (early ? sign : 0), value + (early ? 0 : sign)) + 10 * u, 37 * u],
    ];
    const { x, y, size, on } = DR.layout.place(plan, part.line, sizes, full);
    const [w, h] = sizes[size];
    full.push([x - w / 2, y - h / 2, x + w / 2, y + h / 2]);
    const number = svg("tspan", { "data-symbol": symbol, "data-value": part.value, text: words });
    /** @param {Page.Attributes} place @param {Page.Child[]} parts */
    const row = (place, ...parts) => svg("tspan", place, ...parts);
    const rows = size
      ? [
          row({ x, dy: "-0.4em" }, early ? `${text} = ` : text),
          row({ x, dy: "1.35em" }, early ? "" : " = ", number),
        ]
      : [row({}, `${text} = `), number];
    const drawn = svg(
      "g",
      { class: size ? "label tall" : "label" },
      svg("rect", { x: x - w / 2, y: y - h / 2, width: w, height: h, rx: 7 * u }),
      svg("text", { x, y: y + (size ? 1.6 : 4.3) * u, "text-anchor": "middle" }, ...rows),
    );
    const leader = on ? null : svg("line", { class: "leader", x1: x, y1: y, ...nearest(part.line, x, y) });
    return { drawn, leader };
  }

  /** @param {Page.Drawing} view @param {number} most @param {boolean} backward */
  function legend(view, most, backward) {
    const what = mode(view.store.state) === "weight" ? "weight" : "gradient";
    view.legend.replaceChildren(
      el("span", { class: "key negative", text: `\u2212${brief(most)}` }),
      el("span", { class: "ramp", "aria-hidden": "true" }),
      el("span", { class: "key positive", text: `+${brief(most)}` }),
      el("span", {
        class: "unseen",
        text:
          `Lines: ${what}, negative dashed and blue, positive solid and orange. ` +
          `Nodes: ${backward ? "δ" : "a"}.${backward ? "" : DR.pictures.words(view.store)}`,
      }),
    );
  }

  /**
   * Gives a part a class that stays while it is hovered and selected, or takes it away.
   *
   * @param {Page.Part} part @param {string} name @param {boolean} on
   */
  function tone(part, name, on) {
    part.tone = part.tone.replace(` ${name}`, "") + (on ? ` ${name}` : "");
    part.element.classList.toggle(name, on);
  }

  /** Paints everything that changes with the store. @param {Page.Drawing} view */
  function all(view) {
    const { store } = view,
      { state } = store;
    const known = DR.plan.known(state.sweep, store.net.L);
    const backward = mode(state) === "gradient";
    view.now = seen(store);
    const most = paintEdges(view, known);
    const nodes = [...view.parts.values()].filter((part) => part.face !== undefined);
    for (const part of nodes) paintNode(view, part, known, backward);
    paintFills(view, nodes, backward);
    paintEnd(view, known);
    emphasis(view);
    legend(view, most, backward);
    DR.pictures.paint(view);
    DR.flow.paint(view);
  }

  return { all, emphasis, tone, edgeValue, mode };
})();
DR.paint = paintModule;

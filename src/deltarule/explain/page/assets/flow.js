// @ts-check
// The sum of a step of the sweep, as it happens: every term a w starts at its node, flies along its
// line and is added at the node it goes to; backward the terms are δ w. The numbers can be read at
// any time, and a clock that can be held runs the motion. Without motion the sum is shown complete.
"use strict";

const flowModule = (function () {
  const { svg, put, brief, clamp } = DR.dom;
  const FIRST = 0.08, // of a step's time before the first term starts
    FLIGHT = 0.34, // that one term of a few flies
    TOGETHER = 1.6, // terms that fly at the same time where there are many
    ADDED = 0.86; // and after which all terms are added
  const LEAST = 900,
    EACH = 260, // milliseconds for a step, and for each of its terms
    READ = 1000, // for each term where its numbers are to be read as it comes
    MOST_TERMS = 9; // that a step becomes longer by
  // Between two layers: room for the factors of a term beside its product, and for factors at all.
  const BOTH = 205,
    FACTORS = 84,
    PRODUCT = 66; // or for its product
  const NUMBER = 22; // half the width of the number below a picture

  const still = matchMedia("(prefers-reduced-motion: reduce)");

  /** @type {WeakMap<Page.Store, Page.Flow>} By the store that the sweep and the drawing share. */
  const all = new WeakMap();

  /** The clock of a store's sweep. @param {Page.Store} store @returns {Page.Flow} */
  function of(store) {
    const root = /** @type {Page.Store} */ (rootOf(store));
    let flow = all.get(root);
    if (!flow) {
      flow = {
        step: null,
        length: LEAST,
        each: EACH,
        speed: 1,
        passed: 0,
        held: false,
        since: 0,
        drawings: new Set(),
      };
      all.set(root, flow);
    }
    return flow;
  }

  /** The store that others were made of. @param {object} store @returns {object} */
  function rootOf(store) {
    const before = Object.getPrototypeOf(store);
    return before && before !== Object.prototype ? rootOf(before) : store;
  }

  /**
   * What a step adds: a term for each drawn line, one for all other nodes, and the bias.
   *
   * @param {Page.Drawing} view @param {Page.SweepStep | null} step
   * @returns {{ at: Page.NodePart, terms: Page.FlowTerm[], total: number, symbol: Page.SymbolName } | null}
   */
  function sumOf({ store: { net }, parts, nodes, plan, now }, step) {
    if (!step || step.node === null || step.layer < 1) return null;
    const { direction, layer: l, node: j } = step,
      forward = direction === "forward";
    const at = parts.get(`node:${l},${j}`);
    const from = forward ? l - 1 : l + 1;
    if (!at?.face || l > net.L || from > net.L) return null;
    const { pass, theta } = now;
    /** @param {number} k */
    const factors = (k) =>
      forward
        ? [pass.A[from][k], theta[DR.driver.weightAt(net, l, j, k)]]
        : [pass.delta[from][k], theta[DR.driver.weightAt(net, from, k, j)]];
    const drawn = new Set(nodes[from]);
    /** @type {Page.FlowTerm[]} */
    const terms = [];
    let others = 0;
    for (let k = 0; k < net.widths[from]; ++k) {
      const [a, w] = factors(k);
      if (!drawn.has(k)) {
        others += a * w;
        continue;
      }
      const start = parts.get(`node:${from},${k}`);
      if (!start?.face) continue;
      const half = start.half ?? plan.half;
      terms.push({ x: start.x, y: start.y, half, value: a * w, text: `${brief(a, 2)} × ${brief(w, 2)}` });
    }
    const column = plan.columns[from];
    const rest = net.widths[from] - drawn.size;
    if (rest > 0 && column.dots !== null)
      terms.push({
        x: column.x,
        y: column.dots,
        half: plan.half,
        value: others,
        text: `${DR.text.count(rest)} more`,
      });
    const bias = net.b[l];
    if (forward && bias !== null && column.biasY !== null)
      terms.push({
        x: column.x,
        y: column.biasY,
        half: 11 * plan.scale,
        value: theta[bias + j],
        text: DR.text.symbols.b(l, j)[1],
      });
    const { symbols } = DR.text;
    return forward
      ? { at, terms, total: pass.Z[l][j], symbol: symbols.z(l, j) }
      : { at, terms, total: pass.up[l][j], symbol: symbols.dCda(l, j, "") };
  }

  /**
   * A text on a plate of its own.
   *
   * @param {string} name @param {number} u
   * @returns {Page.Plate}
   */
  function plate(name, u) {
    const rect = svg("rect", { rx: 5 * u, height: 17 * u });
    const text = svg("text", { "font-size": 11 * u });
    const element = svg("g", { class: `flow-plate ${name}` }, rect, text);
    const font = `600 ${11 * u}px`;
    let words = "",
      wide = 0;
    return {
      element,
      /** The left end, or with `end` the right one, of its middle line. */
      show(next, x, y, end = false) {
        if (next !== words) {
          words = next;
          text.textContent = next;
          wide = DR.dom.textWidth(next, font) + 8 * u;
          put(rect, "width", wide.toFixed(1));
        }
        const left = end ? x - wide : x;
        put(element, "transform", `translate(${left.toFixed(1)} ${(y - 8.5 * u).toFixed(1)})`);
        put(text, "x", 4 * u);
        put(text, "y", (12.4 * u).toFixed(1));
        return wide;
      },
    };
  }

  /**
   * How far above a place a plate of the sum covers no term.
   *
   * @param {{ rest: number }[]} terms @param {number} y @param {number} u
   */
  function freeAbove(terms, y, u) {
    for (let up = 0; up < 60 * u; up += 3 * u)
      if (terms.every(({ rest }) => Math.abs(y - up - rest) > 17 * u)) return up;
    return 0;
  }

  /** @param {number} t */
  const eased = (t) => t * t * (3 - 2 * t);

  /**
   * Builds the plates of a step on a drawing; returns what shows them at a time from 0 to 1.
   *
   * @param {Page.Drawing} view @param {NonNullable<ReturnType<typeof sumOf>>} sum @param {boolean} forward
   */
  function stage(view, { at, terms, total, symbol }, forward) {
    const { plan } = view,
      { u } = plan,
      side = forward ? 1 : -1,
      room = plan.gap - 2 * plan.half;
    const half = (at.half ?? plan.half) + 6 * u;
    const group = svg("g", { class: "flow", "aria-hidden": "true" });
    // All plates begin at the same distance from their nodes, so that none covers another.
    const off = Math.max(plan.pictured ? NUMBER * u : 0, ...terms.map((term) => term.half));
    const goal = { x: at.x - side * half, y: at.y };
    let low = Number.NEGATIVE_INFINITY;
    const made = terms.map((term) => {
      const stay = plate(term.value < 0 ? "negative" : "positive", u),
        fly = plate(term.value < 0 ? "negative flying" : "positive flying", u);
      group.append(stay.element, fly.element);
      // On its line, where the plate's middle is, but below the plate of the term before.
      const slope = (goal.y - term.y) / (goal.x - term.x || 1);
      low = Math.max(term.y + slope * side * (off + 30 * u), low + 17.5 * u);
      return { ...term, slope, rest: low, stay, fly };
    });
    const adder = plate("total", u);
    group.append(adder.element);
    const result = svg("title", { "data-symbol": symbol[0], "data-value": total, text: DR.number(total) });
    const n = Math.max(1, made.length - 1),
      flight = Math.min(FLIGHT, TOGETHER / made.length);
    // The sum is beyond the node, where no term is; before it at the outputs, whose targets are there.
    const beyond = at.what.layer < view.store.net.L,
      short = `= ${brief(total, 3)}`,
      long = `${symbol[1]} ${short}`;
    /** @param {string} words */
    const wide = (words) => DR.dom.textWidth(words, `600 ${11 * u}px`) + 10 * u;
    const free = beyond ? room - NUMBER * u : plan.gap - off - 57 * u - half;
    const named = wide(long) < free ? long : short;
    // Where that is too wide, it is above the numbers of the nodes.
    const above = beyond ? plan.r + 10 * u : freeAbove(made, at.y, u);
    const sumY = wide(short) < free ? at.y : at.y - above;
    const sumX = beyond ? at.x + side * (Math.max(half, NUMBER * u) + 3 * u) : goal.x;
    /** @param {number} value @param {string} text @param {number} way */
    const wordsOf = (value, text, way) => {
      const product = brief(value, 3);
      if (room > BOTH * u) return `${text} = ${product}`;
      return way > 0 || room < FACTORS * u ? product : text;
    };
    /** @param {number} t from 0 to 1 */
    const show = (t) => {
      let added = 0,
        count = 0;
      made.forEach(({ x, y, slope, rest, value, text, stay, fly }, i) => {
        const begin = FIRST + ((ADDED - FIRST - flight) * i) / n;
        const way = clamp((t - begin) / flight, 0, 1);
        if (way === 1) [added, count] = [added + value, count + 1];
        const product = brief(value, 3);
        const words = wordsOf(value, text, way);
        const x0 = x + side * (off + 5 * u);
        put(stay.element, "display", room < PRODUCT * u ? "none" : null);
        const across = stay.show(words, x0, rest, !forward);
        const flying = way > 0 && way < 1;
        put(fly.element, "display", flying ? null : "none");
        put(
          stay.element,
          "class",
          `flow-plate ${value < 0 ? "negative" : "positive"}${way > 0 ? "" : " waiting"}`,
        );
        if (!flying) return;
        const s = eased(way),
          start = x0 + side * 0.6 * across;
        fly.show(
          product,
          start + s * (goal.x - start),
          y + slope * (start - x) + s * (goal.y - y - slope * (start - x)),
          forward,
        );
      });
      const done = count === made.length;
      const words = done ? named : count ? brief(added, 3) : "0";
      adder.show(words, sumX, sumY, beyond ? !forward : forward);
      put(adder.element, "class", `flow-plate total${done ? " done" : ""}`);
      DR.paint.tone(at, "summing", !done);
      if (done && !result.isConnected) adder.element.prepend(result);
      return done;
    };
    return { group, show };
  }

  /** How far a step is, from 0 to 1. @param {Page.Flow} flow */
  function progress(flow) {
    if (still.matches) return 1;
    const passed = flow.held ? flow.passed : flow.passed + performance.now() - flow.since;
    return clamp((passed * flow.speed) / flow.length, 0, 1);
  }

  /** Milliseconds that a step takes. @param {Page.Flow} flow */
  const lasts = (flow) => flow.length / flow.speed;

  /**
   * Shows the step of the sweep on a drawing that was just painted.
   *
   * @param {Page.Drawing} view
   */
  function paint(view) {
    const { sweep } = view.store.state;
    const flow = of(view.store);
    const sum = sumOf(view, sweep);
    if (flow.step !== sweep) {
      Object.assign(flow, { step: sweep, passed: 0, held: false, since: performance.now() });
      flow.length = LEAST + flow.each * Math.min(sum?.terms.length ?? 1, MOST_TERMS);
    }
    view.flow?.group.remove();
    view.flow = sum && stage(view, sum, sweep?.direction === "forward");
    if (!view.flow) return;
    view.root.append(view.flow.group);
    run(view, flow);
  }

  /** Moves the terms, frame by frame, until the sum is complete or the clock is held. @param {Page.Drawing} view @param {Page.Flow} flow */
  function run(view, flow) {
    const own = view.flow;
    const frame = () => {
      if (view.flow !== own || !own) return;
      const t = progress(flow);
      own.show(t);
      if (t < 1 && !flow.held) requestAnimationFrame(frame);
    };
    flow.drawings.add(view);
    frame();
  }

  /**
   * Stops the clock, or lets it go on.
   *
   * @param {Page.Store} store @param {boolean} held
   */
  function hold(store, held) {
    const flow = of(store);
    if (flow.held === held) return;
    if (held) flow.passed += performance.now() - flow.since;
    flow.since = performance.now();
    flow.held = held;
    // Held, it is drawn once more: what is seen is where the clock stands.
    for (const view of flow.drawings) run(view, flow);
  }

  /** Milliseconds until the step that is shown is complete. @param {Page.Store} store */
  const remaining = (store) => {
    const flow = of(store);
    return (
      (1 -
        clamp(
          ((flow.held ? flow.passed : flow.passed + performance.now() - flow.since) * flow.speed) /
            flow.length,
          0,
          1,
        )) *
      lasts(flow)
    );
  };

  /** @param {Page.Store} store @param {number} speed */
  function pace(store, speed) {
    const flow = of(store);
    if (!flow.held) flow.passed += performance.now() - flow.since;
    flow.since = performance.now();
    // What has passed is counted at the new speed.
    flow.passed *= flow.speed / speed;
    flow.speed = speed;
  }

  /** Gives every term of a sum the time to be read. @param {Page.Store} store */
  function slowly(store) {
    of(store).each = READ;
  }

  return { paint, hold, remaining, pace, slowly };
})();
DR.flow = flowModule;

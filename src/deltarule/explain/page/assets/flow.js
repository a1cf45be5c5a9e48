// @ts-check
// The sum of a step of the sweep, as it happens: every term a w starts at its node, flies along its
// line and is added at the node it goes to; backward the terms are δ w. The numbers can be read at
// any time, and a clock that can be held runs the motion. Without motion the sum is shown complete.
"use strict";

const flowModule = (function () {
  const { svg, put, brief, clamp } = DR.dom;
  const FIRST = 0.08, // of a step's time before the first term starts
    ADDED = 0.86; // and after which all terms are added, one after the other
  const LEAST = 900,
    EACH = 260, // milliseconds for a step, and for each of its terms
    READ = 1000, // for each term where its numbers are to be read as it comes
    MOST_TERMS = 9; // that a step becomes longer by
  const NUMBER = 22; // half the width of the number below a picture
  const HIGH = 17, // of a plate,
    APART = 17.5, // from the middle of one to that of the next below it,
    BESIDE = 2, // between plates beside each other,
    SMALL = 8; // and of the point that flies where a plate has no room to

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
   * The words of the terms in the most detail that there is room for: factors and product, factors
   * that become their product, or the product, with the plate that flies beside them; else without
   * that, in as many digits as fit. Null where no product has room.
   *
   * @param {Page.FlowTerm[]} terms @param {number} room @param {number} flying the room that flying takes
   * @param {(words: string) => number} wide
   * @returns {{ before: string[], after: string[], width: number, flies: boolean } | null}
   */
  function wordsFor(terms, room, flying, wide) {
    /** @param {number} digits */
    const products = (digits) => terms.map(({ value }) => brief(value, digits));
    const most = (/** @type {string[]} */ words) => Math.max(...words.map(wide));
    const exact = products(3),
      factors = terms.map(({ text }) => text),
      both = terms.map(({ text }, i) => `${text} = ${exact[i]}`);
    for (const [before, after] of [
      [both, both],
      [factors, exact],
      [exact, exact],
    ]) {
      const width = Math.max(most(before), most(after));
      if (width + flying <= room) return { before, after, width, flies: true };
    }
    for (const digits of [3, 2, 1]) {
      const words = products(digits),
        width = most(words);
      if (width <= room) return { before: words, after: words, width, flies: false };
    }
    return null;
  }

  /**
   * Heights for plates that would like to stand at some, in this order from top to bottom: none covers
   * another, and none leaves the drawing.
   *
   * @param {number[]} wanted @param {number} least between two @param {number} highest @param {number} lowest
   */
  function spread(wanted, least, highest, lowest) {
    const found = [...wanted];
    for (let i = 0, high = highest; i < found.length; high = found[i] + least, ++i)
      found[i] = Math.max(found[i], high);
    for (let i = found.length - 1, low = lowest; i >= 0; --i, low -= least)
      found[i] = Math.min(found[i], low);
    return found;
  }

  /**
   * Where the plates of a step stand and fly, so that none covers another: those of the terms side by
   * side with their nodes, the flying one in the free room beyond them, the sum beyond the unit or, at
   * the outputs, whose targets are there, before it or above it.
   *
   * @param {Page.Drawing} view @param {NonNullable<ReturnType<typeof sumOf>>} sum @param {boolean} forward
   */
  function arranged(view, { at, terms, total, symbol }, forward) {
    const { plan } = view,
      { u } = plan,
      side = forward ? 1 : -1;
    const half = (at.half ?? plan.half) + 6 * u,
      gapBetween = BESIDE * u;
    /** @param {string} words */
    const wide = (words) => DR.dom.textWidth(words, `600 ${11 * u}px`) + 8 * u;
    // All plates begin at the same distance from their nodes.
    const off = Math.max(plan.pictured ? NUMBER * u : 0, ...terms.map((term) => term.half));
    const from = terms[0].x + side * (off + 5 * u),
      unit = at.x - side * half,
      lane = side * (unit - from);
    const flying = Math.max(...terms.map(({ value }) => wide(brief(value, 3)))) + gapBetween;
    const short = `= ${brief(total, 3)}`,
      long = `${symbol[1]} ${short}`;
    let added = 0;
    const partial = terms.map(({ value }) => {
      added += value;
      return wide(brief(added, 3));
    });
    /** @param {string} words */
    const widest = (words) => Math.max(wide(words), wide("0"), ...partial);
    const beyond = at.what.layer < view.store.net.L;
    const top = plan.r + 10 * u; // above the numbers of the nodes
    /** @type {{ x: number, y: number, end: boolean, words: string }} */
    let sum;
    let room = lane,
      words = null;
    if (beyond) {
      const free = plan.gap - 2 * plan.half - NUMBER * u;
      const named = wide(long) < free ? long : short;
      const x = at.x + side * (Math.max(half, NUMBER * u) + 3 * u);
      sum = { x, y: wide(short) < free ? at.y : at.y - top, end: !forward, words: named };
      words = wordsFor(terms, room, flying, wide);
    } else {
      const beside = [long, short].find((text) => {
        room = lane - widest(text) - gapBetween;
        words = wordsFor(terms, room, flying, wide);
        return words?.flies;
      });
      if (beside) sum = { x: unit, y: at.y, end: true, words: beside };
      else {
        room = lane;
        words = wordsFor(terms, room, flying, wide);
        // Above the unit, or below the first of a column, where the headings are; right of all terms.
        const above = at.y - Math.max(plan.r, HIGH * u) - 10 * u;
        sum = {
          x: unit + gapBetween,
          y: above > HIGH * u ? above : at.y + top + HIGH * u,
          end: false,
          words: short,
        };
      }
    }
    const slopes = terms.map(({ x, y }) => (at.y - y) / (unit - x || 1));
    // On its line, where the plate's middle is, but not beyond the unit.
    const middle = Math.min(off + 30 * u, side * (unit - terms[0].x));
    const wanted = terms.map(({ y }, i) => y + slopes[i] * side * middle);
    const rest = spread(wanted, APART * u, 0.5 * HIGH * u, plan.height - 0.5 * HIGH * u);
    return { side, from, to: from + side * Math.max(room, 0), rest, words, sum, gapBetween };
  }

  /** @param {number} t */
  const eased = (t) => t * t * (3 - 2 * t);

  /**
   * Builds the plates of a step on a drawing; returns what shows them at a time from 0 to 1.
   *
   * @param {Page.Drawing} view @param {NonNullable<ReturnType<typeof sumOf>>} sum @param {boolean} forward
   */
  function stage(view, sum, forward) {
    const { at, terms, total, symbol } = sum,
      { u } = view.plan;
    const { side, from, to, rest, words, sum: place, gapBetween } = arranged(view, sum, forward);
    const group = svg("g", { class: "flow", "aria-hidden": "true" });
    const made = terms.map((term) => {
      const stay = plate(term.value < 0 ? "negative" : "positive", u),
        sign = term.value < 0 ? "negative" : "positive";
      group.append(stay.element);
      return { ...term, sign, stay };
    });
    // A sum that stands above its node, and nearer to another one, points to its own.
    if (place.y !== at.y && at.what.layer < view.store.net.L)
      group.append(
        svg("line", {
          class: "flow-tail",
          x1: place.x,
          y1: place.y,
          x2: (at.x + 0.7 * side * (at.half ?? view.plan.half)).toFixed(1),
          y2: (at.y - 0.7 * view.plan.r).toFixed(1),
        }),
      );
    const fly = plate("flying", u),
      point = svg("circle", { class: "flow-point", r: (SMALL / 2) * u }),
      adder = plate("total", u);
    group.append(fly.element, point, adder.element);
    const result = svg("title", { "data-symbol": symbol[0], "data-value": total, text: DR.number(total) });
    const flight = (ADDED - FIRST) / made.length;
    // What flies starts beyond the plates that stand, or at the nodes where none does.
    const begin = from + side * (words ? words.width + gapBetween : 0);
    /** @param {number} t from 0 to 1 */
    const show = (t) => {
      let added = 0,
        count = 0;
      put(fly.element, "display", "none");
      put(point, "display", "none");
      made.forEach(({ value, sign, stay }, i) => {
        const way = clamp((t - FIRST - flight * i) / flight, 0, 1);
        if (way === 1) [added, count] = [added + value, count + 1];
        put(stay.element, "display", words ? null : "none");
        const now = way > 0 && way < 1;
        if (words) {
          const text = (way > 0 ? words.after : words.before)[i];
          stay.show(text, from, rest[i], !forward);
        }
        put(stay.element, "class", `flow-plate ${sign}${way > 0 ? "" : " waiting"}${now ? " adding" : ""}`);
        if (!now) return;
        const s = eased(way),
          y = rest[i] + s * (at.y - rest[i]);
        if (words && !words.flies) {
          put(point, "display", null);
          put(point, "class", `flow-point ${sign}`);
          put(point, "cx", (begin + s * (to - begin)).toFixed(1));
          put(point, "cy", y.toFixed(1));
          return;
        }
        put(fly.element, "display", null);
        put(fly.element, "class", `flow-plate flying ${sign}`);
        const product = brief(value, 3);
        const width = fly.show(product, 0, 0);
        // Its edge towards the unit goes from where the plate is free to the end of the room.
        const first = side * (to - begin) < width ? to : begin + side * width;
        fly.show(product, first + s * (to - first), y, forward);
      });
      const done = count === made.length;
      const text = done ? place.words : count ? brief(added, 3) : "0";
      adder.show(text, place.x, place.y, place.end);
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

// @ts-check
// "Check me": backpropagation beside finite differences, and beside Python.
//
//   ∂C/∂θ ≈ (C(θ + h) − C(θ − h)) / 2h   at h, h/2 and h/4, extrapolated (Richardson)
//
// as the library's own gradient check does it. A difference must not straddle a kink: where it
// would at every h, there is nothing to compare with, and the page says so.
"use strict";

const checkModule = (function () {
  const { el } = DR.dom;
  const STEPS = [4e-3, 1e-3, 1e-4, 1e-5];
  const TOLERANCE = 1e-7; // of the size of what is compared, plus what rounding leaves uncertain
  const SAME = 1e-9; // the largest difference from Python, of a block's largest entry
  const ENTRIES = 60; // of a block, when all blocks are checked

  // -- differences ------------------------------------------------------------------------

  /**
   * f at a distance h: its value, the sides of all kinks that the pass is on, and where the number
   * that was moved came to rest after rounding.
   *
   * @typedef {(h: number) => { value: number, sides: string, moved: number }} Along
   */

  /**
   * The derivative of f at 0 and its uncertainty; null at a kink.
   *
   * @param {Along} f
   * @param {number} scale
   */
  function difference(f, scale) {
    const here = f(0);
    /** @type {{ value: number, uncertainty: number } | null} */
    let best = null;
    for (const step of STEPS) {
      let size = Math.abs(here.value);
      let sound = true;
      const D = [1, 2, 4].map((part) => {
        const h = (step * scale) / part;
        const up = f(h),
          down = f(-h);
        sound = sound && up.sides === here.sides && down.sides === here.sides;
        size = Math.max(size, Math.abs(up.value), Math.abs(down.value));
        return (up.value - down.value) / (up.moved - down.moved);
      });
      if (!sound || !D.every(Number.isFinite)) continue;
      const R1 = (4 * D[1] - D[0]) / 3,
        R2 = (4 * D[2] - D[1]) / 3;
      const rounding = (8 * Number.EPSILON * size) / (step * scale);
      const found = { value: (16 * R2 - R1) / 15, uncertainty: Math.abs(R2 - R1) + rounding };
      if (!best || found.uncertainty < best.uncertainty) best = found;
      if (Math.abs(R2 - R1) <= rounding) break;
    }
    return best;
  }

  /**
   * C_i of one sample and the sides of all kinks its pass is on.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta
   * @param {Float64Array} x
   * @param {Float64Array} y
   * @param {Page.RowMasks} masks
   * @param {{ layer: number, j: number, by: number } | null} shift
   */
  function lossAndSides(net, theta, x, y, masks, shift) {
    const passed = DR.driver.forward(net, theta, x, masks, shift);
    const value = DR.driver.sum(DR.driver.atOutput(net, passed, y).terms);
    let sides = "";
    for (let l = 1; l <= net.L; ++l) {
      for (const kink of net.kinks[l]) for (const z of passed.Z[l]) sides += z > kink ? "+" : "-";
    }
    for (const kink of net.loss_kinks)
      passed.A[net.L].forEach((a, j) => {
        sides += a - y[j] > kink ? "+" : "-";
      });
    return { value, sides };
  }

  /**
   * f(h) for one parameter, of one sample or (i null) of the mean.
   *
   * @param {Page.Store} store @param {number} entry @param {number | null} i @returns {Along}
   */
  function alongParameter(store, entry, i) {
    const { net, rows } = store;
    const theta = Float64Array.from(store.theta());
    const start = theta[entry];
    /** @param {number} r */
    const one = (r) =>
      lossAndSides(net, theta, store.x(r), store.y(r), DR.driver.masksOf(store.masks(), r), null);
    return (h) => {
      theta[entry] = start + h;
      const moved = theta[entry];
      if (i !== null) return { ...one(i), moved };
      let value = 0,
        sides = "";
      for (let r = 0; r < rows.n; ++r) {
        if (rows.w[r] === 0) continue;
        const each = one(r);
        value += rows.w[r] * each.value;
        sides += each.sides;
      }
      return { value, sides, moved };
    };
  }

  /**
   * f(h) for the z of a node, or for an input.
   *
   * @param {Page.Store} store @param {number} l @param {number} j @returns {Along}
   */
  function alongNode(store, l, j) {
    const { net } = store;
    const i = store.state.sample;
    const masks = DR.driver.masksOf(store.masks(), i);
    const x = Float64Array.from(store.x());
    const start = x[j];
    return (h) => {
      if (l === 0) x[j] = start + h;
      const shift = l === 0 ? null : { layer: l, j, by: h };
      return { ...lossAndSides(net, store.theta(), x, store.y(), masks, shift), moved: l === 0 ? x[j] : h };
    };
  }

  /**
   * The derivatives that are checked for a selection, each with its f and the scale of its steps.
   *
   * @param {Page.Store} store
   * @param {Page.NodeSelection | Page.ParameterSelection} selected
   * @returns {[given: Page.Symbol, f: Along, scale: number][]}
   */
  function subjects(store, selected) {
    const s = DR.expressions.symbols(store);
    /** @param {number} x */
    const sized = (x) => Math.max(1, Math.abs(x));
    const entry = store.entry(selected);
    if (selected.kind !== "node" && entry >= 0) {
      const { kind, layer: l, j, k } = selected;
      const here = DR.expressions.meanHere(store); // over the rows that the difference is over
      const [own, mean] =
        kind === "edge" ? [s.dCdw(l, j, k), s.meanw(l, j, k, here)] : [s.dCdb(l, j), s.meanb(l, j, here)];
      const scale = sized(store.theta()[entry]);
      return [
        [own, alongParameter(store, entry, s.i), scale],
        [mean, alongParameter(store, entry, null), scale],
      ];
    }
    const { layer: l, j } = selected;
    const given = l === 0 ? s.dCda(0, j) : s.delta(l, j);
    return [[given, alongNode(store, l, j), sized(l === 0 ? store.x()[j] : s.pass.Z[l][j])]];
  }

  /** @param {number} a @param {number} b */
  const relative = (a, b) => (a === b ? 0 : Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b)));

  /** @param {string} text @param {boolean} good */
  function verdict(text, good) {
    return el(
      "p",
      { class: `verdict ${good ? "good" : "bad"}` },
      el("span", { "aria-hidden": "true", text: good ? "✓" : "✗" }),
      el("span", { text }),
    );
  }

  /** @param {string} label @param {string[]} header @param {[name: string, ...cells: Page.Child[]][]} rows */
  function table(label, header, rows) {
    const head = header.map((text) => el(text ? "th" : "td", text ? { scope: "col", text } : {}));
    const body = rows.map(([name, ...cells]) =>
      el("tr", {}, el("th", { scope: "row", text: name }), ...cells.map((cell) => el("td", {}, cell))),
    );
    // Wide on a phone: it scrolls, so a keyboard must be able to focus it.
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
      el("table", { class: "check-grid" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body)),
    );
  }

  /**
   * The selection's derivatives beside their differences.
   *
   * @param {Page.Store} store @param {Page.NodeSelection | Page.ParameterSelection} selected
   */
  function checkSelected(store, selected) {
    let good = true;
    let compared = 0;
    /** @type {[name: string, ...cells: Page.Child[]][]} */
    const found = subjects(store, selected).map(([given, f, scale]) => {
      const other = difference(f, scale);
      if (!other) return [given.text, DR.maths.value(given), "at a kink", "nothing to compare"];
      compared += 1;
      const gap = Math.abs(given.value - other.value);
      good =
        good && gap <= TOLERANCE * Math.max(Math.abs(given.value), Math.abs(other.value)) + other.uncertainty;
      return [
        given.text,
        DR.maths.value(given),
        DR.number(other.value),
        DR.number(relative(given.value, other.value)),
      ];
    });
    // A column for each of at most two numbers: three beside each other would not fit the card.
    const names = ["", "backpropagation", "finite difference", "relative error"];
    /** @type {[name: string, ...cells: Page.Child[]][]} */
    const rows = names.map((name, row) => [name, ...found.map((column) => column[row])]);
    const text =
      compared === 0
        ? "Every difference would straddle a kink, where there is no derivative; backpropagation takes the slope from the left."
        : good
          ? "Backpropagation and the difference agree."
          : "Backpropagation and the difference do not agree.";
    return [
      table("The comparison", ["", ...found.map(([name]) => name)], rows.slice(1)),
      verdict(text, good),
    ];
  }

  /** Compares entries of every block, for the shown sample's loss. @param {Page.Store} store */
  function checkBlocks(store) {
    const { net } = store;
    const pass = store.pass();
    const grad = new Float64Array(net.p);
    DR.driver.accumulate(net, pass, pass.delta, 1, grad);
    let good = true;
    /** @type {[name: string, ...cells: Page.Child[]][]} */
    const rows = net.blocks.map(({ name, start, stop }) => {
      const n = stop - start,
        many = Math.min(n, ENTRIES);
      let gap = 0,
        size = 0,
        noise = 0,
        skipped = 0;
      for (let e = 0; e < many; ++e) {
        const entry = start + Math.floor((e * n) / many);
        const found = difference(
          alongParameter(store, entry, store.state.sample),
          Math.max(1, Math.abs(store.theta()[entry])),
        );
        if (!found) {
          ++skipped;
          continue;
        }
        gap = Math.max(gap, Math.abs(found.value - grad[entry]));
        size = Math.max(size, Math.abs(found.value), Math.abs(grad[entry]));
        noise = Math.max(noise, found.uncertainty);
      }
      const fine = gap <= TOLERANCE * size + noise;
      good = good && fine;
      return [
        name,
        `${many - skipped} of ${n}`,
        skipped ? `${skipped} at a kink` : "",
        size > 0 ? DR.number(gap / size) : "0",
      ];
    });
    const text = good
      ? "Backpropagation and the differences agree in every block."
      : "Backpropagation and the differences do not agree.";
    return [
      table(
        "The comparison, block by block",
        ["block", "entries compared", "", "largest error, of the block"],
        rows,
      ),
      verdict(text, good),
    ];
  }

  // -- Python -----------------------------------------------------------------------------

  /**
   * The largest difference of a gradient from Python's, relative to the largest entry of its block,
   * and which block that is.
   *
   * @param {Page.Network} net @param {Float64Array} grad @param {Page.ArrayData} given
   * @param {number[] | null} place the entries that `given` has; null: all
   */
  function gap(net, grad, given, place) {
    const { values } = DR.data.array(given);
    let worst = { error: 0, block: "" };
    const sizes = net.blocks.map(() => 0),
      gaps = net.blocks.map(() => 0);
    let block = 0;
    for (let m = 0; m < values.length; ++m) {
      const entry = place ? place[m] : m;
      while (entry >= net.blocks[block].stop) ++block;
      const both = [Math.abs(values[m]), Math.abs(grad[entry])];
      sizes[block] = Math.max(sizes[block], ...both.filter((x) => !Number.isNaN(x)));
      const off =
        Object.is(values[m], grad[entry]) || values[m] === grad[entry]
          ? 0
          : Math.abs(values[m] - grad[entry]);
      gaps[block] = Number.isNaN(off) || off > gaps[block] ? off : gaps[block];
    }
    net.blocks.forEach(({ name }, at) => {
      const error = gaps[at] === 0 ? 0 : gaps[at] / sizes[at];
      if (!(error <= worst.error)) worst = { error, block: name };
    });
    return worst;
  }

  /**
   * How far this page is from the reference mathematics and from the engine that trained; null where
   * the page does not have Python's numbers of the shown state.
   *
   * @param {Page.Store} store
   */
  function compare(store) {
    const { payload, net } = store;
    const { reference, engine } = payload;
    if (!reference?.grad || store.state.state !== reference.state) return null;
    // Python's reference is over the rows of the page, too.
    const mean = store.meanHere();
    const cost = relative(mean.cost, reference.cost ?? NaN);
    const worst = gap(net, mean.grad, reference.grad, reference.at);
    return {
      ...worst,
      cost,
      entries: reference.grad.shape[0],
      same: worst.error <= SAME && (cost <= SAME || reference.cost === null),
      ...(engine?.grad ? { engine: gap(net, mean.grad, engine.grad, engine.at) } : {}),
    };
  }

  /** @param {Page.Store} store */
  function compared(store) {
    const found = compare(store);
    if (!found)
      return [
        el("p", {
          class: "note",
          text: "Python's own numbers are in this page for the state it was written for.",
        }),
      ];
    const many = DR.text.count(found.entries);
    const text = found.same
      ? `Cost and ${many} partial derivatives${store.some()} are Python's: the largest difference is ${DR.number(found.error)} of its block.`
      : `This page and Python differ: by ${DR.number(found.error)} of block ${found.block || "?"}, and by ${DR.number(found.cost)} of the cost.`;
    const lines = [verdict(text, found.same)];
    if (found.engine) {
      const { name, dtype } = store.payload.engine;
      lines.push(
        el("p", {
          class: "note",
          text: `The engine that trained (${name}, ${dtype}) has the same gradient within ${DR.number(found.engine.error)} of a block.`,
        }),
      );
    }
    return lines;
  }

  /**
   * Fills `element` with a description of the check, its button and its result.
   *
   * @param {HTMLElement} element @param {Page.Store} store
   */
  function mount(element, store) {
    const python = el("div", { class: "python" });
    const result = el("div", { "aria-live": "polite" });
    const button = el("button", { type: "button", class: "button main" });
    const about = el("p", {
      class: "note",
      text: "The finite difference moves one number a little both ways and sees what the loss does; it knows nothing of backpropagation.",
    });
    element.replaceChildren(python, el("div", { class: "row" }, button), about, result);
    button.addEventListener("click", () => {
      const { selected } = store.state;
      const seen = store.seen();
      result.replaceChildren(
        ...(selected && selected.kind !== "cost" ? checkSelected(seen, selected) : checkBlocks(seen)),
      );
    });
    function label() {
      const { selected } = store.state;
      button.textContent =
        selected && selected.kind !== "cost"
          ? `Check ${subjects(store.seen(), selected)
              .map(([given]) => given.text)
              .join(" and ")}`
          : "Check the gradient of this sample";
      result.replaceChildren();
    }
    // Comparing with Python's numbers takes a pass over all rows: after the page is shown.
    const later = () => setTimeout(() => python.replaceChildren(...compared(store)), 0);
    label();
    later();
    store.subscribe((_, changed) => {
      if (["selected", "sample", "state", "payload", "nudge"].some((key) => changed.has(key))) label();
      if (changed.has("state") || changed.has("payload")) later();
    });
  }

  return { mount, compare };
})();
DR.check = checkModule;

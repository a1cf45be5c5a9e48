// @ts-check
// The update of one parameter: the gradient it goes by, the rule step by step, old and new value.
//
//   g = ∂C/∂θ + penalty, clipped;   then the rule's own formulas, printed from the library's source
//
// DR.formulas.update has the rule's steps as functions, once for weights and once for biases
// (a bias does not decay); payload.mathml.update has them as MathML in the same order.
// DR.formulas.penalty has the slope of each penalty, to be multiplied by α/Σs.
"use strict";

const updateModule = (function () {
  const { el } = DR.dom;
  const M = DR.maths;
  const { formula } = M;
  const { step } = DR.sections;

  // How the names of a rule are set: an accent for a corrected value, an index for the old one.
  // Δ is the size of a step, so that δ stays ∂C/∂z.
  /** @param {string} name */
  const letter = (name) => M.mi(name === "delta" ? "Δ" : M.GREEK[name] || name);
  /** @param {string} name */
  function drawn(name) {
    const [base, kind] = name.split("_");
    if (kind === "hat") return M.element("mover", { accent: "true" }, letter(base), M.mo("^"));
    if (kind === "before") return M.sub(letter(base), M.words("old"));
    return letter(base);
  }

  /**
   * What one penalty, "l1" or "l2", adds to the gradient by a weight w.
   *
   * @param {string} name @param {Page.Network} net @param {Page.Update} update @param {number} w
   */
  const penaltyOf = (name, net, update, w) =>
    (update[/** @type {"l1" | "l2"} */ (name)] / update.total_weight) * penaltiesOf(net)[name](w);

  /** The slopes of the penalties, which come with the update. @param {Page.Network} net */
  const penaltiesOf = (net) => net.formulas.penalty ?? {};

  /**
   * The gradient of all penalties, by every parameter; it is 0 for biases.
   *
   * @param {Page.Network} net @param {Float64Array} theta @param {Page.Update} update
   */
  function penaltyGradient(net, theta, update) {
    const slope = new Float64Array(net.p);
    for (const name of Object.keys(penaltiesOf(net)))
      for (const { kind, start, stop } of net.blocks) {
        if (kind !== "W") continue;
        for (let m = start; m < stop; ++m) slope[m] += penaltyOf(name, net, update, theta[m]);
      }
    return slope;
  }

  /** ‖g‖, scaled so that squares neither overflow nor underflow. @param {Float64Array} values */
  function normOf(values) {
    const largest = values.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    if (!(largest > 0 && largest < Infinity)) return largest;
    return largest * Math.sqrt(values.reduce((sum, g) => sum + (g / largest) ** 2, 0));
  }

  /**
   * g of one parameter and its parts. Clipping depends on the whole gradient.
   *
   * @param {Page.Store} store @param {Page.Update} update @param {number} entry
   */
  function gradientOf(store, update, entry) {
    const { net } = store;
    const data = update.grad && !store.changed ? DR.data.array(update.grad).values : store.mean().grad;
    const extra = penaltyGradient(net, store.theta(), update);
    const moving = Float64Array.from(data, (g, m) => g + extra[m]);
    for (const [start, stop] of net.frozen) moving.fill(0, start, stop);
    const norm = normOf(moving);
    const limit = update.clip_norm;
    const factor = limit !== null && norm > limit && norm < Infinity ? limit / norm : 1;
    const held = net.frozen.some(([start, stop]) => start <= entry && entry < stop);
    return {
      data: data[entry],
      extra: extra[entry],
      norm,
      factor,
      held,
      g: held ? 0 : factor * (data[entry] + extra[entry]),
    };
  }

  /**
   * The rule's steps at one parameter, each with the values that were known before it (`seen`), and
   * the new value.
   *
   * @param {Page.Store} store
   * @param {Page.Update} update
   * @param {Page.RuleStep[]} rule
   * @param {number} entry
   * @param {number} g
   */
  function follow(store, update, rule, entry, g) {
    // η is a number wherever a step is taken.
    const eta = /** @type {number} */ (store.current().learning_rate);
    /** @type {Record<string, number>} */
    const known = { theta: store.theta()[entry], g, eta };
    for (const [name, packed] of Object.entries(update.slots_before)) {
      const { values } = DR.data.array(packed);
      known[`${name}_before`] = values.length === 1 ? values[0] : values[entry];
    }
    const steps = rule.map(({ name, needs, f }) => {
      // A value that a step computes is known by its name to the steps after it.
      const value = f(...needs.map((need) => known[need]));
      const step = { name, value, seen: { ...known } };
      known[name] = value;
      return step;
    });
    return { steps, after: known.theta };
  }

  /**
   * The section on the update; null where no update is known for this state.
   *
   * @param {Page.Derivation} at
   * @param {Page.ParameterSelection} selected
   * @param {Page.Symbol} old
   * @param {Page.Symbol} mean
   */
  function section(at, selected, old, mean) {
    const { store } = at;
    const { update, left_out: size } = store.current();
    if (size) return absent(size);
    const rules = store.net.formulas.update;
    if (!update || !rules) return null;
    const entry = store.entry(selected);
    const kind = selected.kind === "edge" ? "weight" : "bias";
    const own = gradientOf(store, update, entry);
    const { steps, after } = follow(store, update, rules[kind], entry, own.g);
    const printed = store.payload.mathml.update[kind] ?? [];
    /** @param {string} name @param {number} value @returns {Page.Symbol} */
    const symbolOf = (name, value) =>
      name === "theta" ? old : { id: `${name}(${old.id})`, text: name, value, draw: () => drawn(name) };
    /** @type {Page.Symbol} */
    const fresh = {
      id: `new ${old.id}`,
      text: `new ${old.text}`,
      value: after,
      draw: () => M.row(M.words("new\u00a0"), old.draw()),
    };

    const lines = steps.map(({ name, value, seen }, i) => {
      const names = Object.fromEntries(Object.entries(seen).map(([key, x]) => [key, symbolOf(key, x)]));
      const given = name === "theta" ? fresh : symbolOf(name, value);
      return [M.symbol(given), "=", M.printed(printed[i], names), "=", M.figure(given)];
    });
    return step(
      "The update",
      steps.length === 1 ? "U" : "",
      el("p", { class: "note", text: about(store, update) }),
      parts(own, store.net, update, mean, symbolOf("g", own.g), old),
      formula(...lines),
      el(
        "p",
        {},
        M.math([M.symbol(old)], { block: false }),
        " goes from ",
        M.value(old),
        " to ",
        M.value(fresh),
        ".",
      ),
      engine(store, update, entry, after),
    );
  }

  /** Says why a very large network has no update here. @param {number} size */
  const absent = (size) =>
    step(
      "The update",
      "U",
      el("p", {
        class: "note",
        text:
          `What this step needs would be another ${Math.round(size / 1e6)} MB, and is left out of ` +
          "this page. explain(…).update_weight(l, j, k).text() in Python has it, and so has " +
          "deltarule explain MODEL --step N --weight l,j,k.",
      }),
    );

  /** @param {Page.Store} store @param {Page.Update} update */
  function about(store, update) {
    const rate = store.current().learning_rate;
    const whole =
      update.grad && !store.changed
        ? " The gradient is that of the whole batch, of which this page has some rows."
        : "";
    const which = update.number === null ? "A first step from here" : `Step ${update.number}`;
    return `${which} with the rule ${update.rule}${rate ? `, learning rate η = ${DR.number(rate)}` : ""}.${whole}`;
  }

  /**
   * The table of g and its parts: the mean, penalties, clipping.
   *
   * @param {ReturnType<typeof gradientOf>} own
   * @param {Page.Network} net
   * @param {Page.Update} update
   * @param {Page.Symbol} mean
   * @param {Page.Symbol} g
   * @param {Page.Symbol} old
   */
  function parts(own, net, update, mean, g, old) {
    /** @param {Page.Child[]} text @param {Page.Child} value */
    const row = (text, value) => el("tr", {}, el("td", {}, ...text), el("td", {}, value));
    const total = DR.number(update.total_weight);
    const rows = [
      row(
        [
          "the mean over samples ",
          M.math([M.symbol(mean)], { block: false }),
          mean.over ? ` ${mean.over}` : "",
        ],
        DR.number(own.data),
      ),
    ];
    if (update.l2 && own.extra)
      rows.push(
        row(
          [
            "L2 penalty: α/Σs times ",
            M.math([M.symbol(old)], { block: false }),
            `, α = ${DR.number(update.l2)}, Σs = ${total}`,
          ],
          DR.number(penaltyOf("l2", net, update, old.value)),
        ),
      );
    if (update.l1 && own.extra)
      rows.push(
        row(
          [`L1 penalty: α/Σs times the sign, α = ${DR.number(update.l1)}, Σs = ${total}`],
          DR.number(penaltyOf("l1", net, update, old.value)),
        ),
      );
    if (own.factor !== 1)
      rows.push(
        row(
          [
            `clipped: the whole gradient has norm ${DR.number(own.norm)}, and ${DR.number(update.clip_norm ?? Infinity)} is allowed; times`,
          ],
          DR.number(own.factor),
        ),
      );
    if (own.held) rows.push(row(["this parameter is frozen: it does not move"], "0"));
    rows.push(row([M.math([M.symbol(g)], { block: false }), ", which the rule goes by"], M.value(g)));
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "What the rule goes by" },
      el("table", { class: "update-grid" }, el("tbody", {}, ...rows)),
    );
  }

  /** @param {Page.Store} store @param {Page.Update} update @param {number} entry @param {number} after */
  function engine(store, update, entry, after) {
    if (!update.theta_after || store.changed) return null; // the engine's number is of the parameters without the nudge
    const { name, dtype } = store.payload.engine;
    const theirs = DR.data.array(update.theta_after).values[entry];
    const same = DR.number(theirs) === DR.number(after);
    const text = same
      ? `The engine that trained (${name}, ${dtype}) made the same of it.`
      : `The engine that trained (${name}, ${dtype}) made ${DR.number(theirs)} of it: it differs by ${DR.number(theirs - after)}.`;
    return el("p", { class: "note", text });
  }

  return { section, gradientOf, follow };
})();
DR.update = updateModule;

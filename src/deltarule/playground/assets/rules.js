// @ts-check
// The steps of the update rules, in float64: penalties and rule are printed from the library's own
// functions (DR.library, explain/page/formula_library.py).
//
//   g = ∂C/∂θ + (α/Σs) ∂penalty/∂w on weights;   θ, slots ← rule(θ, g, slots, t, η, C)
"use strict";

const rulesModule = (function () {
  /**
   * What a rule keeps and does, from its slots' initial values.
   *
   * @param {Page.Network} net
   * @param {Float64Array} theta changed in place by each step
   * @param {string} name
   * @param {Static.Penalties} penalties
   * @returns {Static.Updater}
   */
  function updater(net, theta, name, penalties) {
    const { slots: described, uses_weights } = DR.catalogue.rules[name];
    const code = DR.library.rules[name];
    const { total_weight, ...strengths } = penalties;
    const active = Object.entries(strengths).filter(([, strength]) => strength > 0);
    /** @type {Record<string, Float64Array>} */
    const slots = {};
    for (const { name: slot, kind, initial } of described)
      slots[slot] = new Float64Array(kind === "theta" ? net.p : 1).fill(Number(initial));
    let t = 0;

    /** The penalty, and its gradient added to `grad`. @param {Float64Array} grad */
    function penalise(grad) {
      let cost = 0;
      for (const [penalty, strength] of active) {
        const of = DR.library.penalty[penalty],
          scale = strength / total_weight;
        for (const { kind, start, stop } of net.blocks) {
          if (kind !== "W") continue;
          for (let m = start; m < stop; ++m) {
            const [value, slope] = of(theta[m]);
            cost += scale * value;
            grad[m] += scale * slope;
          }
        }
      }
      return cost;
    }

    /**
     * One part of θ, from `start` to `stop`.
     *
     * @param {Static.RuleCode} rule @param {number} start @param {number} stop
     * @param {Record<string, number | Float64Array>} given
     */
    function move({ whole, needs }, start, stop, given) {
      const results = whole(
        ...needs.map((need) => {
          const value = given[need];
          return typeof value === "number" ? value : value.subarray(start, stop);
        }),
      );
      // A rule without slots returns θ alone.
      const [after, ...carried] = /** @type {ArrayLike<number>[]} */ (described.length ? results : [results]);
      theta.set(after, start);
      described.forEach(({ name: slot, kind }, i) => {
        if (kind === "theta") slots[slot].set(carried[i], start);
        else slots[slot][0] = carried[i][0];
      });
    }

    /**
     * One step of the rule by a gradient without penalty, which is changed.
     *
     * @param {Float64Array} grad @param {number} eta @param {number} cost of the data at θ
     */
    function step(grad, eta, cost) {
      /** @type {Record<string, number | Float64Array>} */
      const given = { theta, g: grad, eta, cost: cost + penalise(grad), t: ++t };
      for (const { name: slot, kind } of described)
        if (kind === "theta") given[slot] = slots[slot];
        else given[`${slot}_before`] = slots[slot][0];
      if (!uses_weights) move(code.weight, 0, net.p, given);
      else
        for (const { kind, start, stop } of net.blocks)
          move(kind === "W" ? code.weight : code.bias, start, stop, given);
    }

    return {
      slots,
      step,
      penalise,
      /** Copies of the slots and the number of steps. */
      saved: () => ({
        t,
        slots: Object.fromEntries(Object.entries(slots).map(([slot, values]) => [slot, values.slice()])),
      }),
      restore(saved) {
        t = saved.t;
        for (const slot of Object.keys(slots)) slots[slot].set(saved.slots[slot]);
      },
      get t() {
        return t;
      },
      set t(value) {
        t = value;
      },
    };
  }

  return { updater };
})();
DR.rules = rulesModule;

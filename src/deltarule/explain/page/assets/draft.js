// @ts-check
// A network whose activations are looked up, for pictures that are seen for a moment.
//
// While a network trains, its pictures need thousands of activations for each frame, and a formula
// such as GELU's is most of their cost. Between two entries of a table of its values the line is
// taken, which is off by less than a colour shows. No number that a page prints is made of it.
"use strict";

const draftModule = (function () {
  const END = 8, // of the table, on either side of 0: a kink there is an entry
    PER_UNIT = 256;

  /** @type {WeakMap<Page.VectorFunction, Page.VectorFunction>} */
  const known = new WeakMap();

  /** A formula of numbers by its table; others stay as they are. @param {Page.VectorFunction} g @returns {Page.VectorFunction} */
  function looked(g) {
    const f = g.scalar;
    if (!f) return g;
    const last = 2 * END * PER_UNIT;
    const table = Float64Array.from({ length: last + 1 }, (_, i) => {
      const z = i / PER_UNIT - END;
      return f(z, z, z);
    });
    const found = DR.each(f);
    found.inPlace = (z) => {
      for (let i = 0; i < z.length; ++i) {
        const at = (z[i] + END) * PER_UNIT;
        if (at >= 0 && at < last) {
          const entry = Math.floor(at);
          z[i] = table[entry] + (at - entry) * (table[entry + 1] - table[entry]);
        } else z[i] = f(z[i], z[i], z[i]);
      }
    };
    return found;
  }

  /** The network, for forward passes only. @param {Page.Network} net @returns {Page.Network} */
  return (net) => {
    const value = net.formulas.value.map((g) => {
      if (!g) return g;
      const found = known.get(g) ?? looked(g);
      known.set(g, found);
      return found;
    });
    return { ...net, formulas: { ...net.formulas, value } };
  };
})();
DR.draft = draftModule;

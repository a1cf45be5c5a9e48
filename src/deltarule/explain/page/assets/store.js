// What the page shows at the moment, and the numbers that follow from it.
//
// Parts of the page subscribe; whoever changes something calls `set`. Passes are computed when
// they are first asked for and kept until the state, the sample or the payload changes.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const PASSES_KEPT = 512;

  DR.store = function (payload, formulas = DR.formulas) {
    const listeners = new Set();
    let cache = new Map();
    let changed = { of: null, view: null }; // the last view of a changed network

    function kept(key, make) {
      if (cache.has(key)) return cache.get(key);
      const value = make(); // which may keep more, and so begin the cache anew
      if (cache.size >= PASSES_KEPT) cache = new Map();
      cache.set(key, value);
      return value;
    }

    const store = {
      /** Takes another payload, as if the page had been opened with it. */
      replace(next, nextFormulas = formulas) {
        const before = store.state;
        payload = store.payload = next;
        formulas = nextFormulas;
        cache = new Map();
        store.net = DR.driver.network(payload.net, formulas);
        const rows = Object.fromEntries(
          Object.entries(payload.rows).map(([name, packed]) => [name, DR.data.array(packed)]),
        );
        const n = rows.X.shape[0];
        store.rows = {
          X: rows.X,
          Y: rows.Y,
          s: rows.s.values,
          w: rows.w.values, // among the rows of the page
          share: (rows.share || rows.w).values, // among all rows
          mean: rows.mean ? rows.mean.values : null, // of all rows of x, where the page has some
          n,
          of: payload.rows_of ?? n,
          part: payload.part_of ?? null, // of so many rows these are some: a mini-batch, say
        };
        const start = payload.start || {};
        const inRange = (value, n) => (value >= 0 && value < n ? value : 0);
        store.state = {
          mode: "sample",
          selected: null,
          nudge: null,
          sweep: null,
          colour: "weight",
          ...before,
          state: start.state ?? payload.states.length - 1,
          sample: inRange(start.sample ?? (before ? before.sample : 0), store.rows.n),
          ...(start.selected ? { selected: start.selected } : {}),
        };
        if (!exists(store.state.selected)) store.state.selected = null;
        tell(new Set(["payload", ...Object.keys(store.state)]));
      },

      /** Changes some of the state and tells everybody who asked. */
      set(changes) {
        const changed = new Set(Object.keys(changes).filter((key) => store.state[key] !== changes[key]));
        if (!changed.size) return;
        store.state = { ...store.state, ...changes };
        tell(changed);
      },

      /** Puts a state in the place of the one that is shown, as training goes on. */
      move(state) {
        payload.states[store.state.state] = state;
        cache = new Map();
        tell(new Set(["state"]));
      },

      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },

      /** The recorded state that is shown: {step, epoch, label, theta, …}. */
      current: () => payload.states[store.state.state],
      theta: (state = store.state.state) => DR.data.array(payload.states[state].theta).values,
      x: (i = store.state.sample) => DR.data.row(store.rows.X, i),
      y: (i = store.state.sample) => DR.data.row(store.rows.Y, i),

      /** The dropout masks of the rows in the shown state: item l a matrix or null; or null. */
      masks(state = store.state.state) {
        const masks = payload.states[state].masks;
        return masks ? masks.map(DR.data.array) : null;
      },

      /** One sample's pass in the shown state: {Z, A, G, loss, terms, up, slope, delta, dX}. */
      pass(i = store.state.sample) {
        const state = store.state.state;
        return kept(`${state}/${i}`, () => passOf(store.theta(), store.x(i), i));
      },

      /** "" where the page has all rows; else words for what is of those it has: " over 256 of 400 rows". */
      some: () =>
        store.rows.n < store.rows.of
          ? ` over ${DR.text.count(store.rows.n)} of ${DR.text.count(store.rows.of)} rows`
          : "",

      /**
       * {cost, grad} over all rows, in the shown state (F11), with `costOver` and `gradOver`: "" or,
       * where Python's numbers over all rows are not in the page, which rows they are over instead.
       */
      mean() {
        return kept(`${store.state.state}/mean`, () => {
          const { mean: given, update } = store.current();
          const some = store.some();
          if (!some) return { ...store.meanHere(), costOver: "", gradOver: "" };
          const own = given && (given.grad || (update && update.grad));
          const here = given && own ? null : store.meanHere();
          return {
            cost: given ? DR.data.array(given.cost).values[0] : here.cost,
            grad: own ? DR.data.array(own).values : here.grad,
            costOver: given ? "" : some,
            gradOver: own ? "" : some,
          };
        });
      },

      /** {cost, grad} over the rows of the page, in the shown state: w_i enters here only. */
      meanHere() {
        return kept(`${store.state.state}/here`, () => meanOf(store));
      },

      /** The same numbers with the nudge applied: {theta, x, pass, cost}; null without one. */
      nudged() {
        const { nudge, sample, state } = store.state;
        if (!nudge || !exists(nudge.what)) return null;
        return kept(`${state}/${sample}/nudged/${JSON.stringify(nudge)}`, () => nudgedBy(nudge));
      },

      /**
       * What is shown while "what if" has changed a number: the same store, whose parameters, row
       * and passes are those of the changed network; the store itself without a change.
       */
      seen() {
        const now = store.nudged();
        if (!now) return store;
        if (changed.of !== now) changed = { of: now, view: changedBy(now) };
        return changed.view;
      },

      /** Where in θ the selected weight or bias stands; −1 for anything else. */
      entry(selected) {
        if (!selected) return -1;
        const { net } = store;
        const { kind, layer, j, k } = selected;
        if (kind === "edge") return DR.driver.weightAt(net, layer, j, k);
        return kind === "bias" && net.b[layer] !== null ? net.b[layer] + j : -1;
      },
    };

    function passOf(theta, x, i) {
      const passed = DR.driver.forward(store.net, theta, x, DR.driver.masksOf(store.masks(), i));
      return { ...passed, ...DR.driver.backward(store.net, theta, passed, store.y(i)) };
    }

    function nudgedBy({ what, delta }) {
      const i = store.state.sample;
      const theta = Float64Array.from(store.theta());
      const x = Float64Array.from(store.x());
      const entry = store.entry(what);
      if (entry >= 0) theta[entry] += delta;
      else if (what.kind === "node" && what.layer === 0) x[what.j] += delta;
      const pass = passOf(theta, x, i);
      const { X, Y, w } = store.rows;
      // An input belongs to one sample: the other terms of the mean stay as they are.
      const cost =
        entry >= 0
          ? DR.driver.cost(store.net, theta, X, Y, w, store.masks())
          : store.meanHere().cost + w[i] * (pass.loss - store.pass().loss);
      return { theta, x, pass, cost };
    }

    /** The store as it is with the change of "what if": other parameters, or another row. */
    function changedBy(now) {
      const { nudge, sample: i } = store.state;
      const passes = new Map([[i, now.pass]]);
      const moved = store.entry(nudge.what) >= 0;
      let mean = null;
      const view = Object.create(store, {
        state: { get: () => store.state },
        theta: { value: () => now.theta },
        x: { value: (r = store.state.sample) => (r === i ? now.x : store.x(r)) },
        pass: {
          value(r = store.state.sample) {
            if (!moved && r !== i) return store.pass(r);
            if (!passes.has(r)) passes.set(r, passOf(now.theta, view.x(r), r));
            return passes.get(r);
          },
        },
        meanHere: { value: () => mean || (mean = meanOf(view)) },
        // Python's numbers over all rows are of the parameters as they were.
        mean: { value: () => ({ ...view.meanHere(), costOver: store.some(), gradOver: store.some() }) },
        changed: { value: nudge },
      });
      return view;
    }

    /** Σ_i w_i of the passes of a store, over the rows of the page (F11). */
    function meanOf(view) {
      const { w, n } = store.rows;
      const grad = new Float64Array(store.net.p);
      let cost = 0;
      for (let i = 0; i < n; ++i) {
        if (w[i] === 0) continue; // absent, even if its loss is not finite
        const pass = view.pass(i);
        cost += w[i] * pass.loss;
        DR.driver.accumulate(store.net, pass, pass.delta, w[i], grad);
      }
      return { cost, grad };
    }

    function exists(what) {
      if (!what) return false;
      const { widths, L, b } = store.net;
      const { kind, layer, j, k } = what;
      if (kind === "cost") return true;
      if (!(layer >= 0 && layer <= L && j >= 0 && j < widths[layer])) return false;
      if (kind === "node") return true;
      if (kind === "bias") return layer > 0 && b[layer] !== null;
      return kind === "edge" && layer > 0 && k >= 0 && k < widths[layer - 1];
    }

    function tell(changed) {
      for (const listener of [...listeners]) listener(store.state, changed);
    }

    store.replace(payload);
    return store;
  };
})();

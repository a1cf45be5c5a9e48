// @ts-check
// The store: what the page shows at the moment, and the numbers that follow from it.
//
// Parts of the page subscribe to it; every change goes through `set`. A pass is computed when it is
// first needed and cached until the state, the sample or the payload changes.
"use strict";

const createStore = (function () {
  const PASSES_KEPT = 512;

  /** The store of a payload. @param {Page.Payload} payload @param {Page.Formulas} [formulas] */
  return (payload, formulas = DR.formulas) => {
    /** @type {Set<Page.Listener>} */
    const listeners = new Set();
    /** @type {Map<string, any>} Values of several types: `kept` gives each key one of them. */
    let cache = new Map();
    /** @type {{ of: Page.Nudged, view: Page.Store } | null} The last view of a changed network. */
    let changed = null;

    /**
     * The cached value of a key, computed by `make` if there is none.
     *
     * @template T
     * @param {string} key
     * @param {() => T} make
     * @returns {T}
     */
    function kept(key, make) {
      if (cache.has(key)) return cache.get(key);
      const value = make(); // may cache other values, and so replace a full cache
      if (cache.size >= PASSES_KEPT) cache = new Map();
      cache.set(key, value);
      return value;
    }

    // `replace`, called below, sets the fields that are missing here.
    const store = /** @type {Page.Store} */ ({
      /** Shows another payload, as if the page had been opened with it. */
      replace(next, nextFormulas = formulas) {
        const before = /** @type {Page.View | undefined} */ (store.state); // none the first time
        payload = store.payload = next;
        formulas = nextFormulas;
        cache = new Map();
        store.net = DR.driver.network(payload.net, formulas);
        const { array } = DR.data;
        const { rows } = payload;
        const X = array(rows.X);
        const n = X.shape[0];
        store.rows = {
          X,
          Y: array(rows.Y),
          s: array(rows.s).values,
          w: array(rows.w).values,
          share: array(rows.share || rows.w).values,
          mean: array(rows.mean)?.values ?? null,
          n,
          of: payload.rows_of ?? n,
          part: payload.part_of ?? null,
        };
        /** @type {Partial<Page.Payload["start"]>} */
        const start = payload.start || {};
        /** @param {number} value @param {number} n */
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

      /** Changes some of the state and notifies the listeners. */
      set(changes) {
        const keys = /** @type {(keyof Page.View)[]} */ (Object.keys(changes));
        const changed = new Set(keys.filter((key) => store.state[key] !== changes[key]));
        if (!changed.size) return;
        store.state = { ...store.state, ...changes };
        tell(changed);
      },

      /** Replaces the state that is shown by another one, while training goes on. */
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
        return masks ? masks.map((mask) => DR.data.array(mask)) : null;
      },

      /** One sample's pass in the shown state: {Z, A, G, loss, terms, up, slope, delta, dX}. */
      pass(i = store.state.sample) {
        const state = store.state.state;
        return kept(`${state}/${i}`, () => passOf(store.theta(), store.x(i), i));
      },

      /** "" where the page has all rows, else which it has: " over 256 of 400 rows". */
      some: () =>
        store.rows.n < store.rows.of
          ? ` over ${DR.text.count(store.rows.n)} of ${DR.text.count(store.rows.of)} rows`
          : "",

      /**
       * {cost, grad} over all rows, in the shown state (F11). `costOver` and `gradOver` are "", or
       * words for the rows they are over where Python's numbers over all rows are not in the page.
       */
      mean() {
        return kept(`${store.state.state}/mean`, () => {
          const { mean: given, update } = store.current();
          const some = store.some();
          if (!some) return { ...store.meanHere(), costOver: "", gradOver: "" };
          const own = given && (given.grad || update?.grad);
          return {
            cost: given ? DR.data.array(given.cost).values[0] : store.meanHere().cost,
            grad: own ? DR.data.array(own).values : store.meanHere().grad,
            costOver: given ? "" : some,
            gradOver: own ? "" : some,
          };
        });
      },

      /** {cost, grad} over the rows of the page, in the shown state; w_i enters here only. */
      meanHere() {
        return kept(`${store.state.state}/here`, () => meanOf(store));
      },

      /** Parameters, row, pass and cost with the nudge applied; null without a nudge. */
      nudged() {
        const { nudge, sample, state } = store.state;
        if (!nudge || !exists(nudge.what)) return null;
        return kept(`${state}/${sample}/nudged/${JSON.stringify(nudge)}`, () => nudgedBy(nudge));
      },

      /**
       * The store with the parameters, row and passes that follow from the nudge of "what if"; the
       * store itself without a nudge.
       */
      seen() {
        const now = store.nudged();
        if (!now) return store;
        if (changed?.of !== now) changed = { of: now, view: changedBy(now) };
        return changed.view;
      },

      /** The index in θ of the selected weight or bias; −1 for any other selection. */
      entry(selected) {
        if (!selected) return -1;
        const { net } = store;
        const { kind, layer, j, k } = selected;
        if (kind === "edge") return DR.driver.weightAt(net, layer, j, k);
        const bias = kind === "bias" ? net.b[layer] : null;
        return kind === "bias" && bias !== null ? bias + j : -1;
      },
    });

    /** @param {Float64Array} theta @param {Float64Array} x @param {number} i @returns {Page.Pass} */
    function passOf(theta, x, i) {
      const passed = DR.driver.forward(store.net, theta, x, DR.driver.masksOf(store.masks(), i));
      return { ...passed, ...DR.driver.backward(store.net, theta, passed, store.y(i)) };
    }

    /** @param {Page.Nudge} nudge @returns {Page.Nudged} */
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

    /** The store with other parameters, or another row. @param {Page.Nudged} now @returns {Page.Store} */
    function changedBy(now) {
      const { sample: i } = store.state;
      const nudge = /** @type {Page.Nudge} */ (store.state.nudge); // which `now` follows from
      const passes = new Map([[i, now.pass]]);
      const moved = store.entry(nudge.what) >= 0;
      /** @type {Page.Mean | null} */
      let mean = null;
      /** @type {Page.Store} */
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
        meanHere: { value: () => (mean ??= meanOf(view)) },
        // Python's numbers over all rows belong to the parameters without the nudge.
        mean: { value: () => ({ ...view.meanHere(), costOver: store.some(), gradOver: store.some() }) },
        changed: { value: nudge },
      });
      return view;
    }

    /** C and its gradient over the rows of the page (F11). @param {Page.Store} view @returns {Page.Mean} */
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

    /** @param {Page.Selection | null} what */
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

    /** @param {Page.Changed} changed */
    function tell(changed) {
      for (const listener of [...listeners]) listener(store.state, changed);
    }

    store.replace(payload);
    return store;
  };
})();
DR.store = createStore;

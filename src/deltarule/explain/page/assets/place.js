// @ts-check
// What is shown, in the address of the page: #at=w2,1,0&row=6&step=40 is a weight, a row by its name
// and a recorded step. What the page shows when it is opened is not in it.
"use strict";

const placeModule = (function () {
  /** Milliseconds without a change before the address is written: browsers allow few writes a second. */
  const QUIET = 200;
  const KEYS = ["at", "row", "step"];

  /** A part of an address as text; one that is not well encoded as it is. @param {string} text */
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** The name of a row in the data, or its place. @param {Page.Store} store @param {number} i */
  const nameOf = (store, i) => store.payload.names.rows[i] ?? String(i);

  /**
   * The place of the row with a name. A page may have some rows of its table only: of a number that
   * is none of them, the place of the nearest. null where that is not a number either.
   *
   * @param {Page.Store} store @param {string} name
   */
  function rowOf(store, name) {
    const names = Array.from({ length: store.rows.n }, (_, i) => nameOf(store, i));
    const found = names.indexOf(name);
    if (found >= 0) return found;
    return nearest(names.map(Number), name);
  }

  /** The place of the number nearest to a text. @param {number[]} numbers @param {string} text */
  function nearest(numbers, text) {
    if (!/^\d+$/.test(text)) return null;
    let best = null;
    for (const [i, value] of numbers.entries())
      if (
        Number.isFinite(value) &&
        (best === null || Math.abs(value - Number(text)) < Math.abs(numbers[best] - Number(text)))
      )
        best = i;
    return best;
  }

  /** A selection as the field "Go to" takes it. @param {Page.Selection | null} selected */
  function textOf(selected) {
    if (!selected) return "none";
    if (selected.kind === "cost") return "cost";
    const { kind, layer, j } = selected;
    if (kind === "node") return layer === 0 ? `x${j}` : `a${layer},${j}`;
    return kind === "bias" ? `b${layer},${j}` : `w${layer},${j},${selected.k}`;
  }

  /** What the page shows when it is opened. @param {Page.Store} store */
  function opening({ payload }) {
    const start = payload.start ?? {};
    return {
      selected: start.selected ?? null,
      sample: start.sample ?? 0,
      state: start.state ?? payload.states.length - 1,
    };
  }

  /** The number of the recorded step. @param {Page.Store} store @param {number} i */
  const stepOf = ({ payload }, i) => payload.states[i].step ?? i;

  /** The address of what is shown, from its "#" on; "" of what is shown at first. @param {Page.Store} store */
  function written(store) {
    const { selected, sample, state } = store.state;
    const first = opening(store);
    const parts = [];
    if (textOf(selected) !== textOf(first.selected)) parts.push(`at=${textOf(selected)}`);
    if (sample !== first.sample) parts.push(`row=${encodeURIComponent(nameOf(store, sample))}`);
    if (state !== first.state) parts.push(`step=${stepOf(store, state)}`);
    return parts.length ? `#${parts.join("&")}` : "";
  }

  /**
   * What an address names, the rest as at the beginning; null for an address of something else.
   *
   * @param {Page.Store} store @param {string} hash @returns {Partial<Page.View> | null}
   */
  function read(store, hash) {
    /** @type {Map<string, string>} */
    const given = new Map();
    for (const part of hash.slice(1).split("&")) {
      const [key, ...value] = part.split("=");
      if (KEYS.includes(key) && value.length) given.set(key, decoded(value.join("=")));
    }
    if (!given.size) return null;
    const { sample, state, selected } = opening(store);
    const [at, row, step] = KEYS.map((key) => given.get(key));
    const steps = store.payload.states.map((_, i) => stepOf(store, i));
    return {
      sample: (row === undefined ? null : rowOf(store, row)) ?? sample,
      state: (step === undefined ? null : nearest(steps, step)) ?? state,
      selected:
        at === undefined ? selected : at === "none" ? null : (DR.goto.read(store, at).selected ?? selected),
    };
  }

  /** The address that this page has written, or whose "hashchange" it has heard. */
  let known = "";

  /** Makes what is shown the address. @param {Page.Store} store @param {"pushState" | "replaceState"} how */
  function setAddress(store, how) {
    const state = how === "pushState" ? null : history.state;
    try {
      history[how](state, "", location.pathname + location.search + written(store));
    } catch {
      /* a page within another one may not change its address */
    }
    known = location.hash;
  }

  /** Shows what the address names, and keeps the address with what is shown. @param {Page.Store} store */
  function mount(store) {
    let waiting = 0;
    function write() {
      // The tour has addresses of its own, and an address that was just chosen is to be heard first.
      if (DR.tour.isOpen() || location.hash !== known) return;
      if (written(store) !== known) setAddress(store, "replaceState");
    }
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(write, QUIET);
    };
    const go = () => {
      known = location.hash;
      const shown = read(store, location.hash);
      if (shown) store.set(shown);
      else if (!location.hash) soon(); // the way back out of the tour
    };
    go();
    addEventListener("hashchange", go);
    /** @type {(keyof Page.View)[]} */
    const told = ["selected", "sample", "state"];
    store.subscribe((_, changed) => {
      if (told.some((key) => changed.has(key))) soon();
    });
  }

  return { decoded, nameOf, rowOf, setAddress, mount };
})();
DR.place = placeModule;

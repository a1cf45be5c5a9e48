// @ts-check
// The network of the run, drawn and derived with the parts of the explain page.
//
// The payload of the page comes from the server, or from the trainer in this page, when the run is
// paused or replaced; while it trains, frames bring new parameters, and the passes are computed here.
"use strict";

const networkModule = (function () {
  const { el, choice } = DR.dom;
  // Milliseconds between two drawings during training, and the number of drawings for each update of
  // the derivation.
  const APART = { least: 33, most: 500 },
    DERIVED = 4;
  /** What decides the network and its data. @type {("net" | "settings" | "inputs" | "target")[]} */
  const OF_NETWORK = ["net", "settings", "inputs", "target"];
  const GOOD = 45,
    POOR = 36; // frames a second

  /**
   * A store for one part of the page, with a `subscribe` of its own.
   *
   * @param {Page.Store} store @param {Page.Store["subscribe"]} subscribe @returns {Page.Store}
   */
  function part(store, subscribe) {
    return Object.create(store, { subscribe: { value: subscribe } });
  }

  /**
   * Subscribes f, called at most once in `apart()` milliseconds, with everything that has changed.
   *
   * @param {Page.Store} store @param {() => number} apart @param {Page.Listener} f
   */
  function seldom(store, apart, f) {
    /** @type {number | null} */
    let timer = null;
    /** @type {Page.Changed} */
    let changed = new Set();
    let last = 0;
    const now = () => {
      timer = null;
      last = performance.now();
      const all = changed;
      changed = new Set();
      f(store.state, all);
    };
    return store.subscribe((_, keys) => {
      for (const key of keys) changed.add(key);
      const wait = keys.has("state") && keys.size === 1 ? last + apart() - performance.now() : 0;
      if (wait <= 0) {
        if (timer !== null) clearTimeout(timer);
        now();
      } else if (timer === null) timer = setTimeout(now, wait);
    });
  }

  /**
   * Shows the network of the run, and follows its descriptions and frames.
   *
   * @param {{ rows: HTMLElement, drawing: HTMLElement, panel: HTMLElement }} places
   * @param {Live.Wire} wire @param {(what: string, error: unknown) => void} complain
   */
  function mount(places, wire, complain) {
    /** @type {Page.Store | null} */
    let store = null;
    /** @type {Live.Run | null} */
    let run = null;
    let rows = "same",
      wanted = 0,
      playing = false,
      at = -1,
      busy = false;

    const which = choice(
      "Rows that the numbers are of",
      [
        ["same", "Same rows"],
        ["step", "Rows of the next step"],
      ],
      (value) => {
        rows = value;
        take();
      },
    );
    which.show(rows);
    const samples = el("div", { class: "row" });
    places.rows.replaceChildren(which, samples);

    /** @param {Page.Payload} payload @param {Page.Formulas} forms */
    function begin(payload, forms) {
      const begun = DR.store(payload, forms);
      store = begun;
      DR.page = begun;
      const apart = () => (playing ? pace : 0);
      // While it trains the nodes that are drawn of a large layer stay the same.
      DR.drawing.mount(
        places.drawing,
        part(begun, (f) =>
          seldom(begun, apart, (state, changed) =>
            f(state, playing ? new Set([...changed, "payload"]) : changed),
          ),
        ),
      );
      DR.panel.mount(
        places.panel,
        part(begun, (f) => seldom(begun, () => DERIVED * apart(), f)),
      );
      const section = places.panel.closest("section");
      if (section) DR.dock.mount(section, begun, { open: false });
      DR.curve.controls(samples, begun);
    }

    /** Fetches the network of the run; if another one is wanted meanwhile, it is fetched afterwards. */
    async function take() {
      ++wanted;
      if (busy) return;
      busy = true;
      try {
        for (let done = 0; done !== wanted; ) {
          done = wanted;
          const next = await wire.network(rows);
          at = next.step;
          if (store) store.replace(next.payload, next.formulas);
          else begin(next.payload, next.formulas);
        }
      } catch (error) {
        complain("The network could not be drawn", error);
      } finally {
        busy = false;
      }
    }

    /**
     * Shows the parameters of a frame.
     *
     * @param {Page.Store} shown @param {Live.Header} header @param {ArrayLike<number>} theta
     */
    function move(shown, header, theta) {
      at = header.step;
      shown.move({
        ...shown.current(),
        step: header.step,
        epoch: header.epoch,
        learning_rate: header.learning_rate,
        update: null,
        theta: { shape: [theta.length], values: Float64Array.from(theta) },
      });
    }

    // The drawing costs the most: it is painted less often where the frames become few.
    let painted = 0,
      since = performance.now(),
      pace = 66;
    function keepPace() {
      ++painted;
      const spent = performance.now() - since;
      if (spent < 500) return;
      const rate = (1000 * painted) / spent;
      if (rate < POOR) pace = Math.min(1.5 * pace, APART.most);
      else if (rate > GOOD) pace = Math.max(pace / 1.2, APART.least);
      painted = 0;
      since = performance.now();
    }

    let version = 0;
    return {
      /** @param {Live.Run} next */
      run(next) {
        const before = run;
        const other =
          !before || OF_NETWORK.some((name) => JSON.stringify(before[name]) !== JSON.stringify(next[name]));
        run = next;
        if (other) version = -1;
      },
      /** @param {Live.Frame} frame */
      frame(frame) {
        const { header, arrays } = frame;
        if (playing !== (header.phase === "playing")) [painted, since] = [0, performance.now()];
        playing = header.phase === "playing";
        if (playing) keepPace();
        if (version !== header.version && (version === -1 || !store)) {
          version = header.version;
          take();
          return;
        }
        version = header.version;
        if (!store || busy || header.step === at) return;
        if (playing && arrays.theta && arrays.theta.length === store.net.p) move(store, header, arrays.theta);
        else if (!playing) take();
      },
      get store() {
        return store;
      },
    };
  }

  return { mount };
})();
DR.network = networkModule;

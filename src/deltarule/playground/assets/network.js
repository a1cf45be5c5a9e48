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
  /** What decides the network and its data. @type {("net" | "settings" | "inputs" | "target" | "plane")[]} */
  const OF_NETWORK = ["net", "settings", "inputs", "target", "plane"];
  /** What decides the rows. @type {("data" | "rows" | "noise" | "held" | "seed" | "columns")[]} */
  const DATA = ["data", "rows", "noise", "held", "seed", "columns"];
  const GOOD = 45,
    POOR = 36; // frames a second
  /** The most columns and inputs of nodes with pictures. */
  const MOST_AXES = 12,
    MOST_INPUTS = 48;

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
   * Writes a place on an axis into a row, as an input or as the level of a category.
   *
   * @param {Float64Array} row @param {Live.Axis} axis @param {number} value
   */
  function write(row, { inputs, levels }, value) {
    if (!levels.length) row[inputs[0]] = value;
    else {
      const level = DR.dom.clamp(Math.round(value), 0, levels.length - 1);
      inputs.forEach((k, j) => {
        row[k] = j === level ? 1 : 0;
      });
    }
  }

  /** Where a row is on an axis. @param {ArrayLike<number>} x @param {Live.Axis} axis */
  const placeOn = (x, { inputs, levels }) =>
    levels.length ? inputs.findIndex((k) => x[k] === 1) : x[inputs[0]];

  /**
   * The plane of the nodes' pictures, that of the decision surface; null where a picture over two
   * columns would say little, and where there is one column only.
   *
   * @param {Live.Run} run @returns {Page.Plane | null}
   */
  function planeOf({ plane, axes, inputs, settings }) {
    if (plane.y < 0 || axes.length > MOST_AXES || inputs.length > MOST_INPUTS) return null;
    const derived = settings.derived.map((name) => DR.derived[name]);
    const first = inputs.length - derived.length;
    const [across, up] = [axes[plane.x], axes[plane.y]];
    const row = Float64Array.from(plane.fixed);
    return {
      ranges: plane.ranges,
      names: [across.name, up.name],
      at(x, y) {
        write(row, across, x);
        write(row, up, y);
        derived.forEach((formula, i) => {
          row[first + i] = formula(row[0], row[1]);
        });
        return row;
      },
      place: (x) => [placeOn(x, across), placeOn(x, up)],
    };
  }

  /**
   * Shows the network of the run, and follows its descriptions and frames. The row that is shown is
   * told to `shows(row)`.
   *
   * @param {{ rows: HTMLElement, drawing: HTMLElement, panel: HTMLElement }} places
   * @param {Live.Wire} wire @param {Live.Order} order @param {(row: number) => void} shows
   * @param {(picture: HTMLCanvasElement | null, words: string) => void} lift told a node's picture
   * @param {(what: string, error: unknown) => void} complain
   */
  function mount(places, wire, order, shows, lift, complain) {
    /** @type {Page.Store | null} */
    let store = null;
    /** @type {Live.Run | null} */
    let run = null;
    let rows = "same",
      wanted = 0,
      playing = false,
      at = "",
      /** Version and moment of the last frame, and of that before the last fetch. */
      seen = "",
      asked = "",
      busy = false;
    /** @type {number | null} The row of the data that is shown, where a reader has chosen one. */
    let chosen = null;
    const weights = DR.weights.mount(places.drawing, order, () => store);
    const large = DR.lift.mount(places.drawing, () => store, lift);

    /** What the parameters of a frame depend on. @param {{ step: number, edits: number }} moment */
    const momentOf = ({ step, edits }) => `${step}/${edits}`;

    const which = choice(
      "Rows that the numbers are of",
      [
        ["same", "Same rows"],
        ["step", el("span", {}, el("span", { class: "unseen", text: "Rows of the " }), "Next step")],
      ],
      (value) => {
        rows = value;
        take();
      },
    );
    which.show(rows);
    const samples = el("div", { class: "row" });
    places.rows.replaceChildren(samples);

    /** After how many steps a weight was set by hand last, of those that were not taken back. */
    let edited = -1;

    /** @param {Page.Payload} payload @param {Page.Formulas} forms */
    function begin(payload, forms) {
      const begun = DR.store(payload, forms);
      store = begun;
      begun.plane = run && planeOf(run);
      begun.subscribe((state, changed) => {
        if (!changed.has("sample") && !changed.has("payload")) return;
        const row = Number(begun.payload.names.rows[state.sample]);
        if (rows === "same" && changed.has("sample") && !changed.has("payload")) chosen = row;
        shows(row);
      });
      DR.page = begun;
      const apart = () => (playing ? pace : 0);
      // The derivation comes less often than the drawing: it says of which step it is.
      const ofStep = el("span", { class: "note", "data-derived": "" });
      places.panel.closest("section")?.querySelector("h2")?.after(ofStep);
      const told = () => {
        const { step } = begun.current();
        const since = edited === step ? ", a weight set by hand since" : "";
        ofStep.textContent = `after step ${DR.text.count(step ?? 0)}${since}`;
      };
      told();
      // While it trains the nodes that are drawn of a large layer stay the same.
      DR.drawing.mount(
        places.drawing,
        part(begun, (f) =>
          seldom(begun, apart, (state, changed) =>
            f(state, playing ? new Set([...changed, "payload"]) : changed),
          ),
        ),
      );
      // One row of controls above the drawing and one in its head: the picture has the rest.
      const tools = places.drawing.querySelector(".drawing-tools");
      tools?.querySelector(".legend")?.before(which);
      const zoom = tools?.querySelector(".zoom");
      if (zoom) places.rows.append(zoom);
      DR.sideways.mount(places.drawing);
      // The drawing takes the measure of its room anew.
      document.dispatchEvent(new CustomEvent("deltarule-size"));
      DR.panel.mount(
        places.panel,
        part(begun, (f) =>
          seldom(
            begun,
            () => DERIVED * apart(),
            (state, changed) => {
              told();
              f(state, changed);
            },
          ),
        ),
      );
      const section = places.panel.closest("section");
      if (section) DR.dock.mount(section, begun, { open: false });
      DR.curve.controls(samples, begun);
      shows(Number(payload.names.rows[begun.state.sample]));
    }

    /** Fetches the network of the run; if another one is wanted meanwhile, it is fetched afterwards. */
    async function take() {
      ++wanted;
      if (busy) return;
      busy = true;
      try {
        for (let done = 0; done !== wanted; ) {
          done = wanted;
          asked = seen;
          const next = await wire.network(rows, rows === "same" ? chosen : null);
          at = momentOf(next);
          if (store) store.plane = run && planeOf(run);
          if (store) store.replace(next.payload, next.formulas);
          else begin(next.payload, next.formulas);
        }
        weights.refresh();
        large.refresh();
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
      at = momentOf(header);
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
        if (
          before &&
          DATA.some((name) => JSON.stringify(before.settings[name]) !== JSON.stringify(next.settings[name]))
        )
          chosen = null; // a row of other data
        if (other) version = -1;
      },
      /** @param {Live.Frame} frame */
      frame(frame) {
        const { header, arrays } = frame;
        seen = `${header.version} ${momentOf(header)}`;
        edited = header.edited_after;
        if (playing !== (header.phase === "playing")) [painted, since] = [0, performance.now()];
        playing = header.phase === "playing";
        if (store) store.moving = playing;
        if (playing) keepPace();
        if (version !== header.version && (version === -1 || !store)) {
          version = header.version;
          take();
          return;
        }
        version = header.version;
        // What is on its way may be of the moment before, and no other frame may come.
        if (busy && !playing && seen !== asked) ++wanted;
        if (!store || busy || momentOf(header) === at) return;
        if (playing && arrays.theta && arrays.theta.length === store.net.p) {
          move(store, header, arrays.theta);
          weights.refresh();
          large.refresh();
        } else if (!playing) take();
      },
      /** Shows a row of the data. @param {number} row */
      choose(row) {
        rows = "same";
        which.show(rows);
        chosen = row;
        take();
      },
      get store() {
        return store;
      },
    };
  }

  return { mount };
})();
DR.network = networkModule;

// @ts-check
// The network of the run, drawn and derived with the parts of the explain page.
//
// The payload of the page comes from the server when the run stands still or is another one; while
// it trains, frames bring new parameters, and the passes are computed here.
"use strict";

const networkModule = (function () {
  const { el, choice } = DR.dom;
  // Milliseconds between two drawings while it trains, and how many of them to one derivation.
  const APART = { least: 33, most: 500 },
    DERIVED = 4;
  const GOOD = 45,
    POOR = 36; // frames a second

  /** A store for one part of the page, which is told less often, or that nothing else has moved. */
  function part(store, subscribe) {
    return Object.create(store, { subscribe: { value: subscribe } });
  }

  /** f(state, changed) at most once in `apart()` milliseconds, and with all that has changed. */
  function seldom(store, apart, f) {
    let last = 0,
      timer = null,
      changed = new Set();
    const now = () => {
      timer = null;
      last = performance.now();
      const all = changed;
      changed = new Set();
      f(store.state, all);
    };
    return store.subscribe((state, keys) => {
      for (const key of keys) changed.add(key);
      const wait = keys.has("state") && keys.size === 1 ? last + apart() - performance.now() : 0;
      if (wait <= 0) {
        clearTimeout(timer);
        now();
      } else if (timer === null) timer = setTimeout(now, wait);
    });
  }

  async function fetched(wire, rows) {
    const reply = await fetch(wire.address(`/payload?rows=${rows}`), { cache: "no-store" });
    if (!reply.ok) throw new Error(await reply.text());
    return reply.json();
  }

  /** Shows the network; gives {run(description), frame(frame)}. */
  function mount(places, wire, complain) {
    let store = null,
      run = null,
      script = {},
      rows = "same",
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

    /** The formulas of a script of the server, which this page lets run. */
    function formulasOf(text) {
      if (text !== script.text) {
        const element = document.createElement("script");
        element.nonce = DR.nonce;
        element.textContent = text;
        document.head.append(element);
        element.remove();
        script = { text, formulas: DR.formulas };
      }
      return script.formulas;
    }

    function begin(payload, forms) {
      store = DR.page = DR.store(payload, forms);
      const apart = () => (playing ? pace : 0);
      // While it trains the nodes that are drawn of a large layer stay the same.
      DR.drawing.mount(
        places.drawing,
        part(store, (f) =>
          seldom(store, apart, (state, changed) =>
            f(state, playing ? new Set([...changed, "payload"]) : changed),
          ),
        ),
        "card",
      );
      DR.panel.mount(
        places.panel,
        part(store, (f) => seldom(store, () => DERIVED * apart(), f)),
      );
      DR.curve.controls(samples, store);
    }

    /** Takes the run anew; what comes meanwhile is taken once more afterwards. */
    async function take() {
      ++wanted;
      if (busy) return;
      busy = true;
      try {
        for (let done = 0; done !== wanted; ) {
          done = wanted;
          const next = await fetched(wire, rows);
          const forms = formulasOf(next.formulas);
          at = next.step;
          if (store) store.replace(next.payload, forms);
          else begin(next.payload, forms);
        }
      } catch (error) {
        complain("The network could not be drawn", error);
      } finally {
        busy = false;
      }
    }

    function move({ header, arrays }) {
      at = header.step;
      store.move({
        ...store.current(),
        step: header.step,
        epoch: header.epoch,
        learning_rate: header.learning_rate,
        update: null,
        theta: { shape: [arrays.theta.length], values: Float64Array.from(arrays.theta) },
      });
    }

    // The drawing is the dearest part: it gives way where the frames become few.
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
      run(next) {
        const other =
          !run ||
          ["net", "settings", "inputs", "target"].some(
            (name) => JSON.stringify(run[name]) !== JSON.stringify(next[name]),
          );
        run = next;
        if (other) version = -1;
      },
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
        if (playing && arrays.theta && arrays.theta.length === store.net.p) move(frame);
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

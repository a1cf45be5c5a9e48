// @ts-check
// The controls for the sample and the recorded step that are shown, and the loss over training.
"use strict";

const curveModule = (function () {
  const { el, svg, iconButton, choice, clamp } = DR.dom;
  const LISTED = 300; // more samples than this are chosen by number, not from a list
  const MOST_POINTS = 1500; // of a line; more cannot be seen apart

  /**
   * Sample, step, and sample or mean: the controls at the top of the page.
   *
   * @param {HTMLElement} element @param {Page.Store} store
   */
  function controls(element, store) {
    /** @type {(() => void)[]} What brings each control up to date. */
    let parts = [];

    /** @param {"sample" | "state"} key @param {number} n @param {Element} middle @param {string} one */
    function stepper(key, n, middle, one) {
      /** @param {number} by */
      const go = (by) => store.set({ [key]: clamp(store.state[key] + by, 0, n - 1) });
      return [
        iconButton("left", `The ${one} before`, () => go(-1)),
        middle,
        iconButton("right", `The ${one} after`, () => go(1)),
      ];
    }

    /** @param {number} n */
    function sampleField(n) {
      const { rows } = store.payload.names;
      // Rows with names of their own, as those of a table, are chosen by these.
      const named = n <= LISTED && rows.slice(0, n).some((name, i) => name !== String(i));
      /** @type {HTMLSelectElement | HTMLInputElement} */
      const pick =
        n <= LISTED
          ? el(
              "select",
              { id: "sample", onchange: () => store.set({ sample: Number(pick.value) }) },
              ...Array.from({ length: n }, (_, i) =>
                el("option", {
                  value: i,
                  text: rows[i] ?? `${i}`,
                }),
              ),
            )
          : DR.dom.wholeField({
              id: "sample",
              onchange: () => {
                const asked = Math.round(DR.text.read(pick.value));
                store.set({ sample: Number.isFinite(asked) ? clamp(asked, 0, n - 1) : store.state.sample });
                pick.value = String(store.state.sample);
              },
            });
      parts.push(() => {
        pick.value = String(store.state.sample);
      });
      // A number in place of a list counts samples from 0: beside it stands the row that this one is.
      const row =
        n > LISTED && rows.some((name, i) => name !== String(i)) ? el("output", { for: "sample" }) : null;
      if (row)
        parts.push(() => {
          row.textContent = `row ${DR.dom.apart(rows[store.state.sample] ?? String(store.state.sample))}`;
        });
      const thumbnails = DR.rows.chooser(store);
      if (thumbnails) parts.push(thumbnails.show);
      return el(
        "div",
        { class: "field" },
        el("label", { for: "sample", text: named ? "Row" : "Sample" }),
        ...stepper("sample", n, pick, named ? "row" : "sample"),
        row,
        thumbnails,
      );
    }

    /** @param {number} n */
    function stateField(n) {
      const { states } = store.payload;
      if (n < 2) return null;
      /** @type {HTMLInputElement} */
      const range = el("input", {
        id: "state",
        type: "range",
        min: 0,
        max: n - 1,
        step: 1,
        oninput: () => store.set({ state: Number(range.value) }),
      });
      const words = el("output", { for: "state" });
      parts.push(() => {
        range.value = String(store.state.state);
        words.textContent = states[store.state.state].label;
        range.setAttribute("aria-valuetext", words.textContent);
      });
      return el(
        "div",
        { class: "field" },
        el("label", { for: "state", text: "Step" }),
        ...stepper("state", n, range, "recorded step"),
        words,
      );
    }

    function build() {
      const { n } = store.rows;
      parts = [];
      const which = choice(
        "One sample or the mean of all",
        [
          ["sample", "Sample"],
          [
            "mean",
            el(
              "span",
              {},
              "Mean",
              el("span", { class: "wide", text: `\u00a0of ${DR.text.count(store.rows.of)}` }),
            ),
          ],
        ],
        (mode) => store.set({ mode }),
      );
      parts.push(() => which.show(store.state.mode));
      element.replaceChildren(
        ...[sampleField(n), stateField(store.payload.states.length), n > 1 ? which : null].filter(
          (part) => part !== null,
        ),
      );
    }
    /** @param {Page.View} _state @param {Page.Changed} changed */
    function update(_state, changed) {
      if (changed.has("payload")) build();
      for (const part of parts) part();
    }
    store.subscribe(update);
    update(store.state, new Set(["payload"]));
  }

  /** @param {Page.Rows} { of, part } */
  const overWhich = ({ of, part }) =>
    part
      ? ` over ${DR.text.count(of)} rows, a part of ${DR.text.count(part)}.`
      : ` over all ${DR.text.count(of)} rows.`;

  const BOX = { height: 260, left: 64, right: 16, top: 18, bottom: 40 };

  /**
   * The place of a state on the axis of epochs, null if it is not known: within an epoch it is
   * interpolated between the ends of the epochs before and after.
   *
   * @param {Page.State} state @param {Page.EpochLog[]} records
   */
  function placeOf(state, records) {
    const { step } = state;
    /** @param {Page.EpochLog} record */
    const stepsOf = (record) => record.steps ?? NaN;
    if (step === null || step === undefined || !records.some((record) => stepsOf(record) >= 0))
      return state.epoch ?? null;
    const after = records.find((record) => stepsOf(record) >= step);
    if (!after) return null;
    if (after.steps === step) return after.epoch;
    const before = records[records.indexOf(after) - 1] || { epoch: after.epoch - 1, steps: 0 };
    const share = (step - stepsOf(before)) / (stepsOf(after) - stepsOf(before) || 1);
    return before.epoch + share * (after.epoch - before.epoch);
  }

  /**
   * The height of a curve at x, interpolated; NaN before the first point and after the last.
   *
   * @param {[x: number, y: number][]} points @param {number} x
   */
  function heightAt(points, x) {
    const after = points.findIndex(([at]) => at >= x);
    if (after < 0) return NaN;
    const [x1, y1] = points[after];
    if (x1 === x) return y1;
    if (after === 0) return NaN;
    const [x0, y0] = points[after - 1];
    return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
  }

  /** @param {HTMLElement} element @param {Page.Store} store */
  function mount(element, store) {
    /**
     * The curve that is drawn; null without a history.
     *
     * @type {{ records: Page.EpochLog[], train: [x: number, y: number][], scale: Page.Scale,
     *   marker: SVGGElement, root: SVGSVGElement, box: Page.Box } | null}
     */
    let view = null;
    let log = false;
    const toggle = el("input", {
      type: "checkbox",
      id: "curve-log",
      onchange: () => {
        log = toggle.checked;
        build();
        place();
      },
    });
    element.classList.add("curve");

    function build() {
      let records = (store.payload.history || []).filter((record) => Number.isFinite(record.loss));
      const every = Math.ceil(records.length / MOST_POINTS);
      records = records.filter((_, i) => i % every === 0 || i === records.length - 1);
      if (records.length < 2) {
        view = null;
        element.replaceChildren(
          el("p", {
            class: "note",
            text:
              "No history was recorded with these parameters. Train with a recorder, " +
              "and the loss of every epoch stands here.",
          }),
        );
        return;
      }
      /** @type {[x: number, y: number][]} */
      const train = records.map((record) => [record.epoch, record.loss ?? NaN]);
      /** @type {Page.Point[]} */
      const validation = records.map((record) => [record.epoch, record.validation_loss ?? null]);
      const validated = validation.some(([, v]) => v !== null);
      const values = [...train, ...validation]
        .map(([, v]) => v)
        .filter((v) => v !== null)
        .filter((v) => Number.isFinite(v) && (!log || v > 0));
      const box = DR.plots.fitted(BOX, element, 1500);
      const scale = DR.plots.axes(
        box,
        train.map(([x]) => x),
        values,
        { log, xTitle: "epoch", whole: true },
      );
      const marker = svg("g", { class: "marker" });
      const root = svg(
        "svg",
        {
          class: "plot",
          viewBox: `0 0 ${box.width} ${box.height}`,
          role: "img",
          onclick: choose,
          "aria-label":
            `Loss over ${records.length} epochs, from ${DR.number(train[0][1])} ` +
            `to ${DR.number(train[train.length - 1][1])}`,
        },
        scale.group,
        validated ? svg("path", { class: "line second", d: DR.plots.line(validation, scale) }) : null,
        svg("path", { class: "line first", d: DR.plots.line(train, scale) }),
        marker,
      );
      const key = el(
        "p",
        { class: "row plot-key" },
        el("span", { class: "key-first", text: "training" }),
        validated ? el("span", { class: "key-second", text: "validation" }) : null,
        el("label", { class: "field check" }, toggle, "logarithmic"),
      );
      view = { records, train, scale, marker, root, box };
      element.replaceChildren(root, key, el("p", { class: "note", "data-curve": "" }));
    }

    /** @param {MouseEvent} event */
    function choose(event) {
      if (!view) return;
      const { records, scale, root } = view;
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(
        DR.dom.screenMatrix(root).inverse(),
      );
      /** @param {Page.State} state */
      const far = (state) => {
        const at = placeOf(state, records);
        return at === null ? Infinity : Math.abs(scale.X(at) - point.x);
      };
      const { states } = store.payload;
      const best = states.reduce((a, b, i) => (far(b) < far(states[a]) ? i : a), 0);
      if (far(states[best]) < Infinity) store.set({ state: best });
    }

    function place() {
      if (!view) return;
      const { states } = store.payload,
        { box, records, train } = view,
        { X, Y } = view.scale;
      const dots = states.map((state, i) => {
        const at = placeOf(state, records),
          high = at === null ? NaN : heightAt(train, at);
        if (at === null || !Number.isFinite(Y(high))) return null;
        const now = i === store.state.state;
        return svg(
          "g",
          { class: now ? "now" : null },
          now ? svg("path", { class: "here", d: `M${X(at)} ${box.top}V${box.height - box.bottom}` }) : null,
          svg("circle", { cx: X(at), cy: Y(high), r: now ? 6 : 3.2 }),
        );
      });
      view.marker.replaceChildren(...dots.filter((dot) => dot !== null));
      const mean = store.mean();
      const words =
        states.length > 1
          ? `Dots are the ${states.length} recorded states; click or tap the curve to go to the nearest. `
          : "";
      element
        .querySelector("[data-curve]")
        ?.replaceChildren(
          `${words}Shown: ${states[store.state.state].label}, C = `,
          DR.dom.shown(mean.costOver ? `C${mean.costOver}` : "C", mean.cost),
          mean.costOver ? `${mean.costOver}.` : overWhich(store.rows),
        );
    }

    // The mean needs a pass over all rows: a moment after a click, and not in every frame.
    let waiting = 0;
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(place, 120);
    };
    store.subscribe((_, changed) => {
      if (changed.has("payload")) build();
      if (changed.has("payload") || changed.has("state")) soon();
    });
    build();
    place();
    DR.plots.onWidth(element, () => {
      build();
      place();
    });
  }

  return { controls, mount };
})();
DR.curve = curveModule;

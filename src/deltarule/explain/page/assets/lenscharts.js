// @ts-check
// The lens's pictures: one small line chart for each layer over the recorded steps, and bars of
// attributions, positive to the right and negative to the left.
"use strict";

const lensChartsModule = (function () {
  /** @type {Page.MeasureName[]} */
  const CHARTED = [
    "weight_rms",
    "activation_rms",
    "delta_rms",
    "delta_ratio",
    "gradient_norm",
    "snr",
    "update_ratio",
    "slope_rms",
    "dead",
    "saturated",
  ];
  const WIDE = 220,
    HIGH = 96,
    LEFT = 46,
    RIGHT = 8,
    TOP = 8,
    BOTTOM = 20;
  const BARS = 12,
    MOST_POINTS = 30,
    MOST_OUTPUTS = 100;
  let charts = 0;

  /**
   * The scale of y for all layers: logarithmic where positive values span more than a factor of ten.
   *
   * @typedef {{ at: (x: number) => number, ends: number[], words: string }} YScale
   * @param {number[]} values @returns {YScale | null}
   */
  function scaleOf(values) {
    const finite = values.filter((x) => Number.isFinite(x));
    if (!finite.length) return null;
    const low = Math.min(...finite),
      high = Math.max(...finite);
    if (low > 0 && high > 10 * low) {
      const from = Math.floor(Math.log10(low)),
        to = Math.ceil(Math.log10(high));
      return {
        at: (x) => (Math.log10(x) - from) / (to - from),
        ends: [10 ** from, 10 ** to],
        words: "logarithmic",
      };
    }
    const to = high || 1;
    return { at: (x) => x / to, ends: [0, to], words: "linear from 0" };
  }

  /** @param {number[]} steps @param {number} step */
  const across = (steps, step) => {
    const first = steps[0],
      last = steps[steps.length - 1];
    return (LEFT + ((WIDE - LEFT - RIGHT) * (step - first)) / (last - first || 1)).toFixed(1);
  };
  /** @param {number} share */
  const up = (share) => (HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM)).toFixed(1);

  /**
   * The runs of points that are finite, [x, y] each.
   *
   * @param {number[]} steps @param {number[]} values @param {YScale} scale
   */
  function linesOf(steps, values, scale) {
    /** @type {[x: string, y: string][][]} */
    const lines = [[]];
    values.forEach((value, i) => {
      if (!Number.isFinite(value)) lines.push([]);
      else lines[lines.length - 1].push([across(steps, steps[i]), up(scale.at(value))]);
    });
    return lines.filter((line) => line.length);
  }

  /** @param {string} name @param {number[]} steps @param {number[]} values */
  function describe(name, steps, values) {
    const known = values.map((value, i) => [steps[i], value]).filter(([, value]) => Number.isFinite(value));
    if (!known.length) return "Not defined in this layer.";
    const [[first, from], [last, to]] = [known[0], known[known.length - 1]];
    return `From ${DR.lens.shown(name, from)} after step ${first} to ${DR.lens.shown(name, to)} after step ${last}.`;
  }

  /**
   * @param {Page.Lens} lens
   * @param {Page.MeasureName} name
   * @param {Page.LensLayer} layer
   * @param {YScale | null} scale
   */
  function chart(lens, name, layer, scale) {
    const { svg, put } = DR.dom;
    const { steps, series } = lens.over;
    const values = series[name].map((row) => DR.lens.num(row[layer.layer - 1]));
    const id = `lens-chart-${++charts}`;
    const lines = scale ? linesOf(steps, values, scale) : [];
    const dotted = lines.filter((line) => line.length === 1 || steps.length <= MOST_POINTS).flat();
    /** @param {number} x1 @param {number} x2 @param {number} y1 @param {number} y2 */
    const axis = (x1, x2, y1, y2) => svg("line", { class: "lens-axis", x1, x2, y1, y2 });
    /** @param {number} x @param {number} y @param {string} anchor @param {string | number} text */
    const tick = (x, y, anchor, text) =>
      svg("text", { class: "lens-tick", x, y, "text-anchor": anchor, text });
    const cursor = svg("line", { class: "lens-cursor", y1: TOP, y2: HIGH - BOTTOM, visibility: "hidden" });
    const ends = scale
      ? scale.ends.map((x, i) => tick(LEFT - 4, Number(up(i)) + 4, "end", DR.lens.shown(name, x)))
      : [];
    const picture = svg(
      "svg",
      {
        viewBox: `0 0 ${WIDE} ${HIGH}`,
        role: "img",
        "aria-labelledby": `${id}-t ${id}-d`,
        class: "lens-chart",
      },
      svg("title", { id: `${id}-t`, text: `Layer ${layer.layer}, ${DR.lens.measureOf(lens, name).words}` }),
      svg("desc", { id: `${id}-d`, text: describe(name, steps, values) }),
      axis(LEFT, WIDE - RIGHT, HIGH - BOTTOM, HIGH - BOTTOM),
      axis(LEFT, LEFT, TOP, HIGH - BOTTOM),
      ...ends,
      tick(LEFT, HIGH - 5, "start", steps[0]),
      tick(WIDE - RIGHT, HIGH - 5, "end", steps[steps.length - 1]),
      cursor,
      ...lines.map((line) =>
        svg("polyline", { points: line.map((point) => point.join(",")).join(" "), class: "lens-line" }),
      ),
      ...dotted.map(([cx, cy]) => svg("circle", { cx, cy, r: 2.2, class: "lens-point" })),
    );
    /** @param {number} at the recorded step; −1: none */
    const show = (at) => {
      put(cursor, "visibility", at < 0 ? "hidden" : "visible");
      if (at >= 0) for (const end of ["x1", "x2"]) put(cursor, end, across(steps, steps[at]));
    };
    return Object.assign(picture, { show });
  }

  /**
   * The same numbers as a table, for those who do not see the charts.
   *
   * @param {Page.Lens} lens @param {Page.MeasureName} name
   */
  function dataTable(lens, name) {
    const { el } = DR.dom;
    const { steps, series } = lens.over;
    /** @param {Page.JsonNumber} value */
    const cell = (value) => DR.lens.number(DR.lens.num(value), DR.lens.shown(name, DR.lens.num(value)));
    const rows = steps.map((step, i) =>
      el("tr", {}, el("th", { scope: "row", text: step }), ...series[name][i].map(cell)),
    );
    const head = DR.lens.headings(
      "step",
      ...lens.layers.map((layer) => /** @type {[string]} */ ([`layer ${layer.layer}`])),
    );
    return DR.lens.scroll(
      "The charts' numbers",
      "",
      el("table", { class: "lens-table" }, head, el("tbody", {}, ...rows)),
    );
  }

  /**
   * One chart for each layer, of the number that is chosen.
   *
   * @param {Page.Lens} lens @param {Page.Store} store
   */
  const lensCharts = (lens, store) => {
    const { el } = DR.dom;
    const offered = CHARTED.filter((name) =>
      lens.over.series[name].flat().some((x) => Number.isFinite(DR.lens.num(x))),
    );
    if (!offered.length) return null;
    let name = offered.includes("delta_rms") ? "delta_rms" : offered[0];
    /** @type {ReturnType<typeof chart>[]} */
    let pictures = [];
    const grid = el("div", { class: "lens-grid" });
    const note = el("p", { class: "note" });
    const table = el("div", {});
    /** @param {Page.MeasureName} each */
    const option = (each) => {
      const { label, words } = DR.lens.measureOf(lens, each);
      return el("option", {
        value: each,
        selected: each === name,
        text: `${label.replace(/[\^{}]/g, "")}: ${words}`,
      });
    };
    const select = el(
      "select",
      {
        "data-lens": "charted",
        onchange: () => {
          name = /** @type {Page.MeasureName} */ (select.value);
          draw();
          show();
        },
      },
      ...offered.map(option),
    );

    function draw() {
      const scale = scaleOf(lens.over.series[name].flat().map(DR.lens.num));
      pictures = lens.layers.map((layer) => chart(lens, name, layer, scale));
      grid.replaceChildren(
        ...pictures.map((picture, i) =>
          el("figure", {}, el("figcaption", { text: `Layer ${lens.layers[i].layer}` }), picture),
        ),
      );
      note.textContent =
        `${lens.over.steps.length} recorded steps from left to right; the same scale for all layers, ` +
        `${scale?.words}. The upright line is the step that is shown.`;
      table.replaceChildren(dataTable(lens, name));
    }

    const box = el(
      "div",
      {},
      el("label", { class: "field" }, el("span", { class: "label", text: "Number" }), select),
      note,
      grid,
      el("details", {}, el("summary", { text: "The same numbers as a table" }), table),
    );
    const show = () => {
      const at = DR.lens.recordedStep(lens, store);
      for (const picture of pictures) picture.show(at);
    };
    draw();
    return Object.assign(box, { show });
  };

  /**
   * Bars of named numbers, the largest first; those not listed are one bar, so that they add up.
   *
   * @typedef {{ name: string, value: number }} Bar
   * @param {Bar[]} items @param {"signed" | "sizes"} kind @param {{ scale: number, words: string }} unit
   */
  function bars(items, kind, { scale, words }) {
    const { el } = DR.dom;
    const scaled = items.map((each) => ({ ...each, value: scale * each.value }));
    const sorted = scaled.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const listed = sorted.slice(0, BARS),
      rest = sorted.slice(BARS);
    if (rest.length && kind === "signed") {
      const value = rest.reduce((total, each) => total + each.value, 0);
      listed.push({ name: `${DR.text.count(rest.length)} others`, value });
    }
    const most = Math.max(...listed.map((each) => Math.abs(each.value)), 0) || 1;
    const half = kind === "signed" ? 50 : 0;

    /** @param {Bar} item */
    function row({ name, value }) {
      const width = ((100 - half) * Math.abs(value)) / most;
      const style = `left: ${value < 0 ? half - width : half}%; width: ${width}%`;
      return el(
        "tr",
        {},
        el("th", { scope: "row", text: name }),
        el(
          "td",
          { class: "lens-way", "aria-hidden": "true" },
          el("span", { class: value < 0 ? "negative" : "positive", style }),
        ),
        DR.lens.number(value, DR.number(value), { "data-attribution": name }),
      );
    }
    return el(
      "table",
      { class: `lens-table lens-attributions ${kind}` },
      words ? el("caption", { text: words }) : null,
      el("tbody", {}, ...listed.map(row)),
    );
  }

  /**
   * Attributions by column of the table, or by input where there is no table.
   *
   * @param {Page.Payload} payload @param {Float64Array} values
   */
  function byColumn({ columns, names }, values) {
    if (!columns?.length) return Array.from(values, (value, k) => ({ name: names.inputs[k], value }));
    return columns.map(({ name, inputs }) => ({
      name,
      value: inputs.reduce((total, k) => total + values[k], 0),
    }));
  }

  /** @param {Page.Payload} { names, net } */
  const outputNames = ({ names, net }) =>
    names.classes.length === net.widths.at(-1) ? names.classes : names.outputs;

  /** What may be attributed. @param {Page.Payload} payload @returns {[value: "loss" | "largest" | number, text: string][]} */
  function targetsOf(payload) {
    const outputs = outputNames(payload);
    if (outputs.length === 1)
      return [
        ["largest", "the output"],
        ["loss", "the loss Cᵢ"],
      ];
    /** @type {[value: number, text: string][]} */
    const each = outputs.slice(0, MOST_OUTPUTS).map((name, j) => [j, `output ${name}`]);
    return [["largest", "the largest output"], ...each, ["loss", "the loss Cᵢ"]];
  }

  /**
   * From a part of an output to the table's unit, with words for it; the loss, and the outputs of a
   * network without a table, stay as they are.
   *
   * @param {Page.Store} store @param {"loss" | number} of
   */
  function unitOf({ payload }, of) {
    const answer = of === "loss" ? null : payload.answer;
    if (!answer) return { scale: 1, shift: 0, words: "" };
    if (answer.scale !== null)
      return { scale: answer.scale, shift: answer.shift ?? 0, words: `in the unit of ${answer.target}` };
    return { scale: 100, shift: 0, words: "in percent of the probability" };
  }

  /**
   * What was attributed, from which baseline, and with which error.
   *
   * @param {Page.Store} store @param {Page.Attribution} found @param {Page.AttributionOptions} options
   */
  function account(store, found, options) {
    const { payload } = store;
    const name = found.of === "loss" ? "the loss" : outputNames(payload)[found.of];
    const { scale, shift, words } = unitOf(store, found.of);
    const [value, before] = [found.value, found.before].map((x) => scale * x + shift);
    const minus = before < 0 ? `(${DR.number(before)})` : DR.number(before);
    const error = DR.dom.el("span", {
      "data-attribute": "error",
      "data-value": String(scale * found.error),
      text: DR.number(scale * found.error),
    });
    let rest = ".";
    if (found.method === "integrated") rest += ` ${DR.text.count(found.points)} passes.`;
    if (!found.converged) rest += " The integration did not meet its tolerance of one millionth.";
    if (found.method !== options.method)
      rest += " The network is too large to integrate here: this is gradient × input.";
    return [
      `Row ${payload.names.rows[store.state.sample]}, f is ${name}${words && ` ${words}`}: f(x) − f(x′) = ${DR.number(value)} − ${minus} = ` +
        `${DR.number(value - before)}. Completeness error, what the bars add to more than that: `,
      error,
      rest,
    ];
  }

  /**
   * Attributions of the sample that is shown, and their mean size over the rows.
   *
   * @param {Page.Lens | null} lens @param {Page.Store} store
   */
  const lensAttributions = (lens, store) => {
    const { el } = DR.dom;
    /** @type {Page.AttributionOptions} */
    const options = { of: "largest", method: "integrated", baseline: "zeros" };
    /**
     * @template {"of" | "method" | "baseline"} K
     * @param {string} title
     * @param {K} key
     * @param {[value: Page.AttributionOptions[K], text: string][]} choices
     */
    const field = (title, key, choices) => {
      const select = el(
        "select",
        {
          "data-attribute": key,
          onchange: () => {
            options[key] = choices[select.selectedIndex][0];
            show();
          },
        },
        ...choices.map(([, text]) => el("option", { text })),
      );
      return el("label", { class: "field" }, el("span", { class: "label", text: title }), select);
    };
    const zeros = store.payload.columns.length ? "zeros: means, and no level" : "zeros";
    const place = DR.lens.scroll("Attributions of the sample", "");
    const words = el("p", { class: "note", role: "status" });
    const box = el(
      "div",
      { "data-attribute": "all" },
      el(
        "div",
        { class: "row" },
        field("Of", "of", targetsOf(store.payload)),
        field("Method", "method", [
          ["integrated", "integrated gradients"],
          ["gradient", "gradient × input"],
        ]),
        field("Baseline x′", "baseline", [
          ["zeros", zeros],
          ["mean", "mean of all rows"],
        ]),
      ),
      words,
      place,
      lens?.attributions ? meanBars(lens.attributions, lens.rows, unitOf(store, 0)) : null,
    );
    let cancel = () => {};
    const show = () => {
      cancel();
      DR.dom.put(box, "aria-busy", true);
      // The options at the start: the choice may change while they are computed.
      const asked = { ...options };
      cancel = DR.attributeLater(store.seen(), asked, (found) => {
        const image = DR.images.of(store);
        const picture = image && DR.images.attributions(store, image, found.values);
        const items = byColumn(store.payload, found.values);
        place.replaceChildren(bars(items, "signed", unitOf(store, found.of)));
        if (picture) place.prepend(picture);
        const { changed } = store.seen();
        words.replaceChildren(
          ...account(store, found, asked),
          changed ? " It is of the network as “what if” has changed it." : "",
        );
        DR.dom.put(box, "aria-busy", null);
      });
    };
    return Object.assign(box, { slow: true, show, stop: () => cancel() });
  };

  /** @param {Page.MeanAttributions} found @param {number} all @param {{ scale: number, words: string }} unit */
  function meanBars(found, all, unit) {
    const { el } = DR.dom;
    const of = [...new Set(found.of)];
    const some = found.rows.length < all ? ` of ${DR.text.count(all)}` : "";
    const words =
      `Mean size over ${DR.text.count(found.rows.length)}${some} rows of the integrated gradients of ` +
      `${of.length === 1 ? of[0] : "each row's largest output"}, at the step that is explained; baseline: ` +
      `${found.baseline_name}. Largest completeness error ${DR.number(found.largest_error)}.`;
    const means = found.columns.map((each) => ({ name: each.name, value: each.mean }));
    return el(
      "div",
      {},
      el("h4", { text: "For the table" }),
      el("p", { class: "note", text: words }),
      DR.lens.scroll("Mean attributions over the rows", "", bars(means, "sizes", unit)),
    );
  }

  return { lensCharts, lensAttributions };
})();
DR.lensCharts = lensChartsModule.lensCharts;
DR.lensAttributions = lensChartsModule.lensAttributions;

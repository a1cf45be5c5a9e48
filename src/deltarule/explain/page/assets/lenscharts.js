// @ts-check
// The lens's pictures: one small line chart for each layer over the recorded steps.
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
  const MOST_POINTS = 30;
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
        text: `${label}: ${words}`,
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

  return { lensCharts };
})();
DR.lensCharts = lensChartsModule.lensCharts;

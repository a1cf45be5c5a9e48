// The lens's pictures: one small line chart for each layer over the recorded steps, and bars of
// attributions, positive to the right and negative to the left.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const CHARTED = ["weight_rms", "activation_rms", "delta_rms", "delta_ratio", "gradient_norm", "snr", "update_ratio", "slope_rms", "dead", "saturated"];
  const WIDE = 220, HIGH = 96, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 20;
  const BARS = 12;
  let charts = 0;

  /** The scale of y for all layers together: logarithmic where a tenfold range asks for it. */
  function scaleOf(values) {
    const finite = values.filter((x) => Number.isFinite(x));
    if (!finite.length) return null;
    const positive = finite.filter((x) => x > 0);
    const low = Math.min(...positive), high = Math.max(...positive);
    if (positive.length && positive.length === finite.length && high > 10 * low) {
      const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
      return { at: (x) => (Math.log10(x) - from) / (to - from), ends: [10 ** from, 10 ** to], words: "logarithmic" };
    }
    const to = Math.max(...finite, 0) || 1;
    return { at: (x) => x / to, ends: [0, to], words: "linear from 0" };
  }

  const across = (steps, step) => {
    const first = steps[0], last = steps.at(-1);
    return LEFT + ((WIDE - LEFT - RIGHT) * (step - first)) / (last - first || 1);
  };
  const up = (share) => HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM);

  function chart(lens, name, layer, scale) {
    const { svg } = DR.dom;
    const { steps, series } = lens.over;
    const values = series[name].map((row) => DR.lens.num(row[layer.layer - 1]));
    const id = `lens-chart-${++charts}`;
    const known = values.map((value, i) => [steps[i], value]).filter(([, value]) => Number.isFinite(value));
    const measure = DR.lens.measureOf(lens, name);
    const words = known.length
      ? `From ${DR.lens.shown(name, known[0][1])} after step ${known[0][0]} to ${DR.lens.shown(name, known.at(-1)[1])} after step ${known.at(-1)[0]}.`
      : "Not defined in this layer.";
    const lines = [];
    let line = [];
    values.forEach((value, i) => {
      if (Number.isFinite(value) && scale) line.push(`${across(steps, steps[i]).toFixed(1)},${up(scale.at(value)).toFixed(1)}`);
      if (line.length && (i === values.length - 1 || !Number.isFinite(value))) { lines.push(line); line = []; }
    });
    const cursor = svg("line", { class: "lens-cursor", y1: TOP, y2: HIGH - BOTTOM, visibility: "hidden" });
    const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-labelledby": `${id}-t ${id}-d`, class: "lens-chart" },
      svg("title", { id: `${id}-t`, text: `Layer ${layer.layer}, ${measure.words}` }),
      svg("desc", { id: `${id}-d`, text: words }),
      svg("line", { class: "lens-axis", x1: LEFT, x2: WIDE - RIGHT, y1: HIGH - BOTTOM, y2: HIGH - BOTTOM }),
      svg("line", { class: "lens-axis", x1: LEFT, x2: LEFT, y1: TOP, y2: HIGH - BOTTOM }),
      ...(scale ? scale.ends.map((x, i) => svg("text", { x: LEFT - 4, y: up(i) + 4, "text-anchor": "end", class: "lens-tick", text: DR.lens.shown(name, x) })) : []),
      ...[steps[0], steps.at(-1)].map((step, i) => svg("text", { x: i ? WIDE - RIGHT : LEFT, y: HIGH - 5, "text-anchor": i ? "end" : "start", class: "lens-tick", text: step })),
      cursor,
      ...lines.map((points) => svg("polyline", { points: points.join(" "), class: "lens-line" })),
      ...lines.filter((points) => points.length === 1 || steps.length <= 30).flat().map((point) => {
        const [cx, cy] = point.split(",");
        return svg("circle", { cx, cy, r: 2.2, class: "lens-point" });
      }));
    picture.show = (at) => {
      DR.dom.put(cursor, "visibility", at < 0 ? "hidden" : "visible");
      if (at >= 0) for (const end of ["x1", "x2"]) DR.dom.put(cursor, end, across(steps, steps[at]).toFixed(1));
    };
    return picture;
  }

  /** The same numbers as a table, for those who do not see the charts. */
  function dataTable(lens, name) {
    const { el } = DR.dom;
    const { steps, series } = lens.over;
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The charts' numbers" },
      el("table", { class: "lens-table" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "step" }), ...lens.layers.map((layer) => el("th", { scope: "col", text: `layer ${layer.layer}` })))),
        el("tbody", {}, ...steps.map((step, i) => el("tr", {}, el("th", { scope: "row", text: step }),
          ...series[name][i].map((value) => el("td", { class: "lens-number", text: DR.lens.shown(name, DR.lens.num(value)) })))))));
  }

  /** One chart for each layer, of the number that is chosen. */
  DR.lensCharts = function (lens, store) {
    const { el } = DR.dom;
    const offered = CHARTED.filter((name) => lens.over.series[name].flat().some((x) => Number.isFinite(DR.lens.num(x))));
    let name = offered.includes("delta_rms") ? "delta_rms" : offered[0];
    const grid = el("div", { class: "lens-grid" });
    const note = el("p", { class: "note" });
    const table = el("div", {});
    let pictures = [];
    const select = el("select", { onchange: () => { name = select.value; draw(); box.show(); } },
      ...offered.map((each) => el("option", { value: each, selected: each === name, text: `${DR.lens.measureOf(lens, each).label.replace(/\^\{?([^}]*)\}?/g, "$1")}: ${DR.lens.measureOf(lens, each).words}` })));
    function draw() {
      const scale = scaleOf(lens.over.series[name].flat().map(DR.lens.num));
      pictures = lens.layers.map((layer) => chart(lens, name, layer, scale));
      grid.replaceChildren(...pictures.map((picture, i) => el("figure", {}, el("figcaption", { text: `Layer ${lens.layers[i].layer}` }), picture)));
      note.textContent = `${lens.over.steps.length} recorded steps from left to right; the same scale for all layers, ${scale ? scale.words : "empty"}. The upright line is the step that is shown.`;
      table.replaceChildren(dataTable(lens, name));
    }
    const box = el("div", {}, el("label", { class: "field" }, el("span", { class: "label", text: "Number" }), select), note, grid,
      el("details", {}, el("summary", { text: "The same numbers as a table" }), table));
    box.show = () => pictures.forEach((picture) => picture.show(DR.lens.recordedStep(lens, store)));
    draw();
    return box;
  };

  /** Bars of named numbers, the largest first; what is not listed is one bar, so that they add up. */
  function bars(items, kind) {
    const { el } = DR.dom;
    const sorted = [...items].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const listed = sorted.slice(0, BARS), rest = sorted.slice(BARS);
    if (rest.length && kind === "signed") {
      listed.push({ name: `${DR.text.count(rest.length)} others`, value: rest.reduce((total, each) => total + each.value, 0) });
    }
    const most = Math.max(...listed.map((each) => Math.abs(each.value)), 0) || 1;
    return el("table", { class: `lens-table lens-attributions ${kind}` },
      el("thead", { class: "unseen" }, el("tr", {}, ...["input", "", "attribution"].map((text) => el("th", { scope: "col", text: text || "bar" })))),
      el("tbody", {}, ...listed.map((each) => {
        const share = Math.abs(each.value) / most;
        const negative = each.value < 0;
        const width = (kind === "signed" ? 50 : 100) * share;
        const left = kind !== "signed" ? 0 : negative ? 50 - width : 50;
        return el("tr", {}, el("th", { scope: "row", text: each.name }),
          el("td", { class: "lens-way", "aria-hidden": "true" }, el("span", { class: negative ? "negative" : "positive", style: `left: ${left}%; width: ${width}%` })),
          el("td", { class: "lens-number", "data-attribution": each.name, "data-value": String(each.value), text: DR.number(each.value) }));
      })));
  }

  /** Attributions per column: an input each where there is no table behind the inputs. */
  function byColumn(store, values) {
    const { columns, names } = store.payload;
    if (!columns || !columns.length) return Array.from(values, (value, k) => ({ name: names.inputs[k], value }));
    return columns.map(({ name, inputs }) => ({ name, value: inputs.reduce((total, k) => total + values[k], 0) }));
  }

  /** Attributions of the sample that is shown, and their mean size over the rows. */
  DR.lensAttributions = function (lens, store) {
    const { el, choice } = DR.dom;
    const options = { of: "largest", method: "integrated", baseline: "zeros" };
    const again = () => box.show();
    const outputs = store.payload.names.classes.length === store.net.widths[store.net.L] ? store.payload.names.classes : store.payload.names.outputs;
    const targets = [["largest", outputs.length > 1 ? "the largest output" : "the output"], ...(outputs.length > 1 ? outputs.map((name, j) => [j, `output ${name}`]) : []), ["loss", "the loss Cᵢ"]];
    const select = el("select", { "data-attribute": "of", onchange: () => { const [value] = targets[select.selectedIndex]; options.of = value; again(); } }, ...targets.map(([, text]) => el("option", { text })));
    const method = choice("Method", [["integrated", "integrated gradients"], ["gradient", "gradient × input"]], (value) => { options.method = value; again(); });
    const start = choice("Baseline", [["zeros", "zeros"], ["mean", "mean of the rows"]], (value) => { options.baseline = value; again(); });
    method.show("integrated");
    start.show("zeros");
    const place = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Attributions of the sample" });
    const words = el("p", { class: "note", role: "status" });
    const table = lens && lens.attributions ? meanBars(lens.attributions) : null;
    const box = el("div", {},
      el("div", { class: "row" }, el("label", { class: "field" }, el("span", { class: "label", text: "Of" }), select), el("div", { class: "field" }, el("span", { class: "label", text: "Method" }), method), el("div", { class: "field" }, el("span", { class: "label", text: "Baseline x′" }), start)),
      words, place, table);
    box.slow = true;
    box.show = () => {
      const found = DR.attribute(store, options);
      place.replaceChildren(bars(byColumn(store, found.values), "signed"));
      const name = found.of === "loss" ? "the loss" : outputs[found.of];
      const change = found.value - found.before;
      const error = el("span", { "data-attribute": "error", "data-value": String(found.error), text: DR.number(found.error) });
      const passes = found.method === "integrated" ? ` ${found.points} passes${found.converged ? "" : "; the integration did not meet its tolerance of one millionth"}.` : "";
      const large = !found.small && options.method === "integrated" ? " The network is too large to integrate here, so this is gradient × input." : "";
      words.replaceChildren(`Row ${store.payload.names.rows[store.state.sample]}, f = ${name}: f(x) − f(x′) = ${DR.number(found.value)} − ${DR.number(found.before).replace(/^\u2212/, "(\u2212")}${found.before < 0 ? ")" : ""} = ${DR.number(change)}. Completeness error, what the bars add to more than that: `, error, `.${passes}${large}`);
    };
    return box;
  };

  function meanBars(attributions) {
    const { el } = DR.dom;
    const of = [...new Set(attributions.of)];
    const words = `Mean size over ${DR.text.count(attributions.rows.length)} rows, integrated gradients of ${of.length === 1 ? of[0] : "each row's largest output"}, at the step that is explained; baseline: ${attributions.baseline_name}. Largest completeness error ${DR.number(attributions.largest_error)}.`;
    return el("div", {}, el("h4", { text: "For the table" }), el("p", { class: "note", text: words }),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Mean attributions over the rows" }, bars(attributions.columns.map((each) => ({ name: each.name, value: each.mean })), "sizes")));
  }
})();

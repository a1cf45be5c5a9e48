// @ts-check
// The lens's attributions: what a row's output owes to its inputs, as an image where the inputs are
// pixels, and as bars, positive to the right and negative to the left.
"use strict";

const lensAttributionsModule = (function () {
  const BARS = 12,
    MOST_OUTPUTS = 100;

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
      lens?.attributions ? meanBars(store, lens.attributions, lens.rows, unitOf(store, 0)) : null,
    );
    let cancel = () => {};
    const show = () => {
      cancel();
      DR.dom.put(box, "aria-busy", true);
      // The options at the start: the choice may change while they are computed.
      const asked = { ...options };
      cancel = DR.attributeLater(store.seen(), asked, (found) => {
        const image = DR.images.of(store);
        const unit = unitOf(store, found.of);
        const own = bars(byColumn(store.payload, found.values), "signed", unit);
        if (image) {
          const values = DR.images.byPixel(image, (k) => unit.scale * found.values[k]);
          const summary = DR.dom.el("summary", { text: "The largest of them as bars" });
          place.replaceChildren(
            DR.images.attributions(store, image, values, unit.words),
            DR.dom.el("details", { open: place.querySelector("details")?.open ?? false }, summary, own),
          );
        } else place.replaceChildren(own);
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

  /** @param {Page.Store} store @param {Page.MeanAttributions} found @param {number} all @param {{ scale: number, words: string }} unit */
  function meanBars(store, found, all, unit) {
    const { el } = DR.dom;
    const of = [...new Set(found.of)];
    const some = found.rows.length < all ? ` of ${DR.text.count(all)}` : "";
    const words =
      `Mean size over ${DR.text.count(found.rows.length)}${some} rows of the integrated gradients of ` +
      `${of.length === 1 ? of[0] : "each row's largest output"}, at the step that is explained; baseline: ` +
      `${found.baseline_name}. Largest completeness error ${DR.number(found.largest_error)}.`;
    const means = found.columns.map((each) => ({ name: each.name, value: each.mean }));
    const image = DR.images.of(store);
    const listed = bars(means, "sizes", unit);
    const shown = image
      ? [
          DR.images.means(store, image, means, unit),
          el("details", {}, el("summary", { text: "The largest of them as bars" }), listed),
        ]
      : [listed];
    return el(
      "div",
      {},
      el("h4", { text: "For the table" }),
      el("p", { class: "note", text: words }),
      DR.lens.scroll("Mean attributions over the rows", "", ...shown),
    );
  }

  return { lensAttributions };
})();
DR.lensAttributions = lensAttributionsModule.lensAttributions;

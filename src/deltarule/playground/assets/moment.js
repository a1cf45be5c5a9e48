// @ts-check
// What the page draws and derives of a run at one moment: the payload that run_subject.py and
// explain/page/payload.py make for the served playground.
"use strict";

const momentModule = (function () {
  const SAME_ROWS = 64,
    MOST_ROWS = 256;

  /**
   * The payload for the next mini-batch ("step") or for the first training rows ("same"). `row` is one
   * that is to be among them; where it is not one of the others it comes last, with weight 0.
   *
   * @param {Static.State} state @param {string} which @param {number | null} row @returns {Page.Payload}
   */
  function payload({ run, data, settings }, which, row) {
    const { net, described } = run,
      n = data.trained.length;
    const step = which === "step";
    const all = step ? run.nextRows() : data.trained.slice(0, SAME_ROWS);
    const rows = DR.plane.evenly(all.length, MOST_ROWS).map((i) => all[i]);
    const whole = rows.length === all.length;
    /** @param {number} count */
    const ones = (count) => new Float64Array(count).fill(1);
    /** @param {Float64Array} values @returns {Page.DecodedArray} */
    const vector = (values) => ({ shape: [values.length], values });
    const share = ones(rows.length).fill(1 / all.length);
    let w = ones(rows.length).fill(1 / rows.length);
    if (row !== null && !rows.includes(row)) {
      rows.push(row);
      w = Float64Array.of(...w, 0);
    }
    const { classes, name } = data.target;
    const { rule, l2, l1 } = settings;
    const weights = ones(all.length).fill(1 / all.length);
    const batch = DR.driver.gradient(
      net,
      run.theta,
      DR.run.taken(run.X, all),
      DR.run.taken(run.Y, all),
      weights,
    );
    const mean = whole ? null : batch;
    const slots = Object.fromEntries(
      Object.entries(run.updater.slots).map(([key, values]) => [key, vector(values.slice())]),
    );
    return {
      format: 1,
      title: settings.data,
      net: described.net,
      mathml: described.mathml,
      laws: DR.catalogue.laws,
      names: {
        inputs: data.inputs,
        outputs: net.widths[net.L] === 1 ? [name] : classes,
        rows: rows.map(String),
        classes,
      },
      rows: {
        X: DR.run.taken(run.X, rows),
        Y: DR.run.taken(run.Y, rows),
        s: vector(ones(rows.length)),
        w: vector(w),
        share: whole ? null : vector(Float64Array.from(rows, (_, i) => share[i] ?? 0)),
        mean: null,
      },
      rows_of: all.length,
      part_of: all.length < n ? n : null,
      states: [
        {
          step: run.step,
          epoch: run.log.count,
          label: step ? `before step ${run.step + 1}` : `after step ${run.step}`,
          theta: vector(run.theta.slice()),
          learning_rate: run.rate,
          masks: null,
          left_out: null,
          mean: mean && { cost: { shape: [], values: Float64Array.of(mean.cost) }, grad: vector(mean.grad) },
          update: step
            ? {
                rule: DR.catalogue.rules[rule].name,
                words: DR.catalogue.rules[rule].words,
                number: run.step + 1,
                l2,
                l1,
                total_weight: n,
                clip_norm: null,
                cost: batch.cost + run.updater.penalise(new Float64Array(net.p)),
                slots_before: slots,
                grad: mean && vector(mean.grad),
                theta_after: null,
              }
            : null,
        },
      ],
      history: [],
      engine: { name: "this page", dtype: "float64", grad: null, at: null },
      reference: { state: 0, cost: null, grad: null, at: null },
      columns: [],
      image: DR.catalogue.builtin[settings.data]?.image ?? null,
      answer: null,
      article: "",
      lens: null,
      // Without a row the page keeps the one that it shows.
      start: { state: 0, selected: null, ...(row === null ? {} : { sample: rows.indexOf(row) }) },
    };
  }

  return { payload };
})();
DR.moment = momentModule;

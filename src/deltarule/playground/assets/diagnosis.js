// @ts-check
// Why a run does not learn, and which learning rate would do, for the static page: the measurements
// and the trials of playground/run_diagnosis.py, with its limits (DR.catalogue.diagnosis).
"use strict";

const diagnosisModule = (function () {
  /**
   * Measures of each layer over the first training rows, at the present parameters.
   *
   * @typedef {{ layer: number, nodes: number, ratio: number, finite: boolean, delta: number, dead: number, saturated: number }} Measured
   * @param {Static.State} state @param {number[]} rows @returns {Measured[]}
   */
  function measured({ run, design }, rows) {
    const { net, theta, X, Y } = run,
      { thresholds, slopes } = DR.catalogue.diagnosis;
    const numbers = Array.from({ length: net.L }, (_, i) => i + 1);
    const d2 = new Float64Array(net.L + 1),
      a2 = new Float64Array(net.L + 1);
    const moving = net.widths.map((n) => new Uint8Array(n)),
      flat = net.widths.map((n) => new Float64Array(n));
    const known = [
      null,
      ...numbers.map((l) => slopes[l < net.L ? design.hidden : design.output.split("/")[1]]),
    ];
    /** @param {Float64Array} values */
    const square = (values) => values.reduce((sum, x) => sum + x * x, 0);
    for (const row of rows) {
      const passed = DR.driver.forward(net, theta, DR.data.row(X, row));
      const back = DR.driver.backward(net, theta, passed, DR.data.row(Y, row));
      for (const l of numbers) {
        d2[l] += square(back.delta[l]) / rows.length;
        a2[l] += square(passed.A[l]) / rows.length;
        const slope = back.slope[l],
          largest = known[l]?.[0] ?? null;
        if (!slope) continue;
        slope.forEach((g, j) => {
          if (g !== 0) moving[l][j] = 1;
          if (largest !== null && Math.abs(g) < thresholds.flat * largest) flat[l][j] += 1 / rows.length;
        });
      }
    }
    const norms = d2.map(Math.sqrt);
    return numbers.map((l) => {
      const nodes = net.widths[l],
        [largest, off] = known[l] ?? [null, false];
      // Softmax mixes its outputs, and has no slope of one node.
      const mixed = l === net.L && !net.output_elementwise;
      const W = theta.subarray(net.W[l], net.W[l] + nodes * net.widths[l - 1]);
      let dead = 0,
        saturated = 0;
      for (let j = 0; j < nodes && !mixed; ++j) {
        if (!moving[l][j]) ++dead;
        else if (largest !== null && !off && flat[l][j] >= thresholds.mostly - 1e-12) ++saturated;
      }
      const finite = [d2[l], a2[l], square(W)].every(Number.isFinite);
      return {
        layer: l,
        nodes,
        ratio: norms[l] / norms[net.L],
        finite,
        delta: norms[l],
        dead: dead / nodes,
        saturated: saturated / nodes,
      };
    });
  }

  /**
   * The loss of the best answer that is the same for every row: constant_guess.py.
   *
   * @param {Page.Network} net @param {Page.DecodedArray} Y @returns {number | null}
   */
  function constantGuess(net, { shape: [rows, width], values }) {
    const mean = new Float64Array(width);
    for (let i = 0; i < values.length; ++i) mean[i % width] += values[i] / rows;
    const middle = new Float64Array(width);
    if (width > 1) middle[mean.indexOf(Math.max(...mean))] = 1;
    else {
      const sorted = Float64Array.from(values).sort();
      middle[0] = (sorted[(rows - 1) >> 1] + sorted[rows >> 1]) / 2;
    }
    const found = [mean, middle].map((outputs) => {
      let sum = 0;
      for (let i = 0; i < rows; ++i) {
        const terms = net.formulas.from_output(outputs, values.subarray(i * width, (i + 1) * width))[0];
        for (let j = 0; j < width; ++j) sum += terms[j] / rows;
      }
      return sum;
    });
    const finite = found.filter(Number.isFinite);
    return finite.length ? Math.min(...finite) : null;
  }

  /** @typedef {Live.Lensed["findings"]} Findings */

  /** A number in a few digits. @param {number} value */
  const short = (value) => String(Number(value.toPrecision(3))).replace("-", "\u2212");

  /**
   * A penalty that outweighs the loss, and a network without bends that has to bend.
   *
   * @param {Static.State} state @param {number[]} rows @returns {Findings}
   */
  function ownFindings({ run, data, settings, design, guess }, rows) {
    const limits = DR.catalogue.diagnosis.own;
    if (guess === null) return [];
    const { net, theta, updater } = run;
    const loss = run.lossOf(rows);
    const penalty = updater.penalise(new Float64Array(net.p));
    const share = penalty ? penalty / (penalty + loss) : 0;
    /** @param {Float64Array} at */
    const norm = (at) => {
      let sum = 0;
      for (const { kind, start, stop } of net.blocks)
        if (kind === "W") for (let i = start; i < stop; ++i) sum += at[i] * at[i];
      return Math.sqrt(sum);
    };
    const size = norm(theta) / norm(DR.run.start(data, settings, design).theta);
    const penalised = settings.l2 > 0 || settings.l1 > 0;
    const mark = { layers: [], serious: true, own: true };
    /** @type {Findings} */
    const found = [];
    if ((share >= limits.share || (penalised && size < limits.shrunk)) && loss > limits.poor * guess)
      found.push({ kind: "penalty", ...mark, share, size });
    const straight = settings.activation === "identity" || !settings.layers.length;
    if (straight && run.step && loss > limits.linear * guess) found.push({ kind: "linear", ...mark });
    return found;
  }

  /** The most steps that are tried with one rate, fewer of a large network. @param {Static.State} state */
  function mostSteps({ run, design }) {
    const { lowest, highest, per_decade, steps, least, work } = DR.catalogue.diagnosis.rates;
    const count = per_decade * Math.log10(highest / lowest) + 1;
    const sizes = design.widths.slice(1).reduce((sum, n, l) => sum + n * design.widths[l], 0);
    return Math.min(steps, Math.max(least, Math.floor(work / (count * sizes * run.size))));
  }

  /**
   * The loss of rows after some steps from the start with a learning rate; infinite where it is none.
   *
   * @param {Static.State} state @param {number} learning_rate @param {number} steps @param {ArrayLike<number>} rows
   */
  function tried({ data, settings, design }, learning_rate, steps, rows) {
    const run = DR.run.start(data, { ...settings, learning_rate }, design);
    try {
      for (let left = steps; left > 0; ) left -= run.advance(left);
    } catch (error) {
      if (!(error instanceof DR.run.Diverged)) throw error;
      return Infinity;
    }
    const loss = run.lossOf(rows);
    return Number.isNaN(loss) ? Infinity : loss;
  }

  /**
   * Whether the learning rate is far off: `RateTrials` in training/diagnosis/rate_finding.py.
   *
   * @param {Static.State} state @returns {Findings}
   */
  function rateFindings(state) {
    const limits = DR.catalogue.diagnosis.rate;
    const { run, data, settings, design, steady } = state;
    if (run.step < limits.few_steps || !steady || DR.catalogue.choices.without_rate.includes(settings.rule))
      return [];
    const rows = DR.plane
      .evenly(data.trained.length, DR.catalogue.diagnosis.rows)
      .map((i) => data.trained[i]);
    const rate = settings.learning_rate;
    const first = DR.run.start(data, settings, design).lossOf(rows);
    const end = run.lossOf(rows),
      last = Number.isNaN(end) ? Infinity : end;
    const guess = state.guess === null ? Infinity : limits.no_better * state.guess;
    const hardly = last > Math.min(limits.fallen * first, guess);
    const most = mostSteps(state);
    const few = Math.min(Math.max(Math.floor(run.step / 100), limits.probe_least), limits.probe_most, most);
    const many = Math.max(few, Math.min(run.step, most));
    let below = Math.min(limits.fallen * last, first);
    /** @type {[rate: number, steps: number, wanted: number][]} */
    const plan = [];
    if (hardly)
      for (const factor of limits.factors)
        plan.push([rate / factor, few, below], [rate * factor, few, limits.fallen * Math.min(first, last)]);
    else {
      const losses = run.log.logs.map(([, loss]) => loss);
      const level = DR.jumps.level(losses, first, limits);
      if (level === null || last < limits.learned * first) return [];
      below = limits.fallen * Math.min(level, last);
    }
    for (const factor of limits.long_factors) plan.push([rate / factor, many, below]);
    for (const [other, steps, wanted] of plan) {
      const reached = tried(state, other, steps, rows);
      if (reached >= wanted) continue;
      return [
        {
          kind: `learning rate too ${other < rate ? "high" : "low"}`,
          layers: [],
          serious: true,
          seen: `${run.step} steps with η = ${short(rate)} brought the loss from ${short(first)} to ${short(last)} on ${rows.length} training rows.`,
          why: `From the same start ${steps} steps with η = ${short(other)} bring it to ${short(reached)}.`,
        },
      ];
    }
    return [];
  }

  /**
   * Causes first, and without what only follows from them: an error that fades.
   *
   * @param {Findings} findings @param {Findings} own @returns {Findings}
   */
  function arranged(findings, own) {
    const dead = findings.filter(({ kind, serious }) => kind === "dead" && serious);
    const top = Math.max(0, ...dead.flatMap(({ layers }) => layers));
    const weighed = own.some(({ kind }) => kind === "penalty");
    const others = findings.filter(
      (each) =>
        !dead.includes(each) && !(each.kind === "vanishing" && (weighed || Math.max(...each.layers) <= top)),
    );
    return [...dead, ...own, ...others];
  }

  /**
   * What the gradient lens finds, the serious first.
   *
   * @param {Static.State} state @returns {Live.Lensed}
   */
  function lens(state) {
    const { diagnosis } = DR.catalogue,
      { thresholds } = diagnosis;
    const of = state.data.trained.length;
    const rows = Array.from(state.data.trained.slice(0, diagnosis.rows));
    const layers = measured(state, rows),
      { net } = state.run;
    /** @type {Live.Lensed["findings"]} */
    const findings = [];
    /** @param {string} kind @param {Measured[]} bad @param {boolean} serious */
    const find = (kind, bad, serious) => {
      if (bad.length) findings.push({ kind, layers: bad.map(({ layer }) => layer), serious });
    };
    const sizes = layers.map(({ delta }) => (Number.isFinite(delta) ? delta : null));
    const broken = layers.filter(({ finite }) => !finite);
    if (broken.length) {
      find("not finite", broken, true);
      return { rows: rows.length, of, sizes, findings };
    }
    const whole = rows.length === of;
    const judges = rows.length >= thresholds.few_rows && (whole || rows.length >= thresholds.many_rows);
    if (whole || judges) {
      if (layers[net.L - 1].delta === 0) find("no gradient", layers, false);
      const fading = layers.filter(({ ratio }) => ratio < thresholds.vanishing);
      const none = fading.some(({ ratio }) => ratio === 0);
      if (!none || rows.length >= thresholds.few_rows) find("vanishing", fading, true);
      find(
        "exploding",
        layers.filter(({ ratio }) => ratio > thresholds.exploding && ratio < Infinity),
        true,
      );
    }
    if (judges) {
      // A fused loss computes δ from z, without the slope of the output.
      const withSlope = layers.filter((each) => !(each.layer === net.L && net.fused));
      const dead = withSlope.filter((each) => each.dead >= thresholds.dead);
      find("dead", dead, Math.max(0, ...dead.map((each) => each.dead)) >= thresholds.many_dead);
      find(
        "saturated",
        withSlope.filter((each) => each.saturated >= thresholds.saturated),
        true,
      );
    }
    return {
      rows: rows.length,
      of,
      sizes,
      findings: [
        ...rateFindings(state),
        ...arranged(
          [...findings.filter(({ serious }) => serious), ...findings.filter(({ serious }) => !serious)],
          ownFindings(state, rows),
        ),
      ],
    };
  }

  /**
   * The loss that each learning rate reaches after some steps from the start, and the best.
   *
   * @param {Static.State} state @returns {Live.Rates}
   */
  function rates({ data, settings, design }) {
    const { lowest, highest, per_decade, steps: most, least, work, most_rows } = DR.catalogue.diagnosis.rates;
    if (DR.catalogue.choices.without_rate.includes(settings.rule))
      throw new DR.datasets.Refused(
        `${settings.rule} uses no learning rate; choose another update rule first`,
      );
    const decades = Math.log10(highest / lowest);
    const count = Math.ceil(per_decade * decades - 1e-9) + 1;
    const tried = Array.from({ length: count }, (_, i) => lowest * 10 ** ((decades * i) / (count - 1)));
    const { trained } = data;
    const rows = DR.plane.evenly(trained.length, most_rows).map((i) => trained[i]);
    const first = DR.run.start(data, settings, design);
    const sizes = design.widths.slice(1).reduce((sum, n, l) => sum + n * design.widths[l], 0);
    const fitting = Math.floor(work / (count * sizes * first.size));
    const steps = Math.min(most, Math.max(least, fitting));
    let failed = 0;
    const losses = tried.map((learning_rate) => {
      if (failed === 2) return null; // higher ones would fail, too
      const run = DR.run.start(data, { ...settings, learning_rate }, design);
      let loss = NaN;
      try {
        for (let left = steps; left > 0; ) left -= run.advance(left);
        loss = run.lossOf(rows);
      } catch (error) {
        if (!(error instanceof DR.run.Diverged)) throw error;
      }
      failed = Number.isFinite(loss) ? 0 : failed + 1;
      return Number.isFinite(loss) ? loss : null;
    });
    const known = losses.map((loss) => loss ?? Infinity);
    const best = known.indexOf(Math.min(...known));
    if (known[best] === Infinity)
      throw new DR.datasets.Refused(
        `no learning rate from ${lowest} to ${highest} gives a finite loss after ${steps} steps`,
      );
    return { rates: tried, losses, suggestion: tried[best], start: first.lossOf(rows), steps };
  }

  return { lens, rates, constantGuess };
})();
DR.diagnosis = diagnosisModule;

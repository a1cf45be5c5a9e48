// @ts-check
// A training run in the browser: the loop of interactive_run.py, with the page's own driver.
//
// Data, initial weights and the order of rows are those of the served playground with the same
// settings. This one computes in float64, so that numbers differ from its float32 by rounding.
"use strict";

const runModule = (function () {
  const MOST_RECORDS = 512,
    MOST_SCORED = 1000;

  /** Training cannot go on; the message says why. */
  class Diverged extends Error {}

  /** Losses by epoch, evenly thinned to a bounded number. */
  function records() {
    /** @type {[epoch: number, loss: number, held: number][]} */
    let kept = [];
    let count = 0,
      stride = 1;
    /** @param {number} epoch */
    const onStride = (epoch) => (epoch - 1) % stride === 0;
    return {
      /** @param {number} loss @param {number} held NaN where no rows are held out */
      append(loss, held) {
        if (kept.length && !onStride(kept[kept.length - 1][0])) kept.pop();
        kept.push([++count, loss, held]);
        if (kept.length <= MOST_RECORDS) return;
        stride *= 2;
        kept = kept.filter(([epoch]) => onStride(epoch) || epoch === count);
      },
      get count() {
        return count;
      },
      get logs() {
        return kept;
      },
      saved: () => ({ kept: [...kept], count, stride }),
      /** @param {{ kept: typeof kept, count: number, stride: number }} saved */
      restore(saved) {
        [kept, count, stride] = [[...saved.kept], saved.count, saved.stride];
      },
    };
  }

  /**
   * The description of a network and its formulas, from the catalogue and the library.
   *
   * @param {Static.Design} design
   */
  function describe({ widths, hidden, output, rule, penalties }) {
    const { activations, losses, rules } = DR.catalogue,
      last = losses[output];
    const L = widths.length - 1;
    /** @type {Page.Block[]} */
    const blocks = [];
    for (let l = 1, at = 0; l <= L; ++l)
      for (const [kind, shape] of /** @type {["W" | "b", number[]][]} */ ([
        ["W", [widths[l], widths[l - 1]]],
        ["b", [widths[l]]],
      ])) {
        const stop = at + shape.reduce((size, n) => size * n, 1);
        blocks.push({ name: `${kind}${l}`, kind, layer: l, start: at, stop, shape });
        at = stop;
      }
    const layers = [...Array(L - 1).fill(activations[hidden]), last.layer];
    /** @type {Record<string, unknown>} */
    const mathml = { ...last.mathml, update: rules[rule].mathml };
    for (const key of Object.keys(last.layer.mathml))
      mathml[key] = [null, ...layers.map((layer) => layer.mathml[key])];
    /** @type {Page.NetworkDescription} */
    const net = {
      widths,
      bias: true,
      activations: [null, ...layers.map(({ name }) => name)],
      words: [null, ...layers.map(({ words }) => words)],
      kinks: [[], ...layers.map(({ kinks }) => kinks)],
      frozen: [],
      blocks,
      ...last.net,
    };
    return { net, mathml: /** @type {Page.PrintedFormulas} */ (/** @type {unknown} */ (mathml)), penalties };
  }

  /** The functions of a network, for the driver and the page. @param {Static.Design} design @returns {Page.Formulas} */
  function formulas({ widths, hidden, output, rule, penalties }) {
    const { activations, losses, rules, penalty } = DR.library,
      last = losses[output];
    const layers = [...Array(widths.length - 2).fill(activations[hidden]), last];
    /** @param {"value" | "slope" | "pullback"} kind */
    const column = (kind) => [null, ...layers.map((layer) => layer[kind])];
    const strengths = Object.entries(penalties).filter(([name, s]) => name in penalty && s > 0);
    return {
      value: column("value"),
      slope: column("slope"),
      pullback: column("pullback"),
      textbook: {
        slope: [null, ...layers.map((layer) => layer.textbook_slope)],
        derivative: last.textbook_derivative,
        delta: last.textbook_delta,
      },
      from_output: last.from_output,
      from_input: last.from_input,
      update: { weight: rules[rule].weight.steps, bias: rules[rule].bias.steps },
      penalty: Object.fromEntries(strengths.map(([name]) => [name, (w) => penalty[name](w)[1]])),
    };
  }

  /**
   * Random initial weights in float32 precision, as Network.initial draws them; biases are 0.
   *
   * @param {Page.Network} net @param {Static.Design} design @param {number} seed
   */
  function initial(net, { hidden, output }, seed) {
    const theta = new Float64Array(net.p);
    for (const { kind, layer, start, shape } of net.blocks) {
      if (kind !== "W") continue;
      const { initializer } =
        layer === net.L ? DR.catalogue.losses[output].layer : DR.catalogue.activations[hidden];
      const [out, into] = shape;
      const scale = Math.sqrt(1 / (initializer.inputs * into + initializer.outputs * out));
      const random = DR.random.generator(seed, [layer - 1]);
      const bound = Math.sqrt(3) * scale;
      const drawn =
        initializer.distribution === "normal"
          ? random.normal(out * into).map((value) => scale * value)
          : random.uniform(-bound, bound, out * into);
      theta.set(drawn.map(Math.fround), start);
    }
    return theta;
  }

  /** Rows of a matrix, copied. @param {Page.DecodedArray} matrix @param {ArrayLike<number>} rows */
  function taken({ shape, values }, rows) {
    const width = shape[1];
    const out = new Float64Array(rows.length * width);
    for (let i = 0; i < rows.length; ++i)
      for (let k = 0; k < width; ++k) out[i * width + k] = values[rows[i] * width + k];
    return { shape: [rows.length, width], values: out };
  }

  /** @param {Static.Data} data @param {number} outputs @returns {Page.DecodedArray} */
  function targets({ y }, outputs) {
    if (outputs === 1) return { shape: [y.length, 1], values: y.map(Math.fround) };
    const values = new Float64Array(y.length * outputs);
    y.forEach((label, i) => {
      values[i * outputs + label] = 1;
    });
    return { shape: [y.length, outputs], values };
  }

  /**
   * A run at step 0.
   *
   * @param {Static.Data} data @param {Live.Settings} settings @param {Static.Design} design
   */
  function start(data, settings, design) {
    const described = describe(design);
    const net = DR.driver.network(described.net, formulas(design));
    const theta = initial(net, design, settings.seed);
    const Y = targets(data, design.widths[design.widths.length - 1]);
    const { X, trained, held } = data,
      n = trained.length;
    const updater = DR.rules.updater(net, theta, settings.rule, { ...design.penalties, total_weight: n });
    const full = DR.catalogue.rules[settings.rule].full_batch || settings.batch_size === 0;
    const size = full ? n : Math.min(settings.batch_size, n);
    const perEpoch = Math.ceil(n / size);
    const log = records(),
      single = DR.driver.buffers(net);
    let rate = settings.learning_rate,
      done = 0,
      total = 0;
    /** @type {Int32Array | null} */
    let order = null;

    /** The loss of rows, all of the same weight. @param {ArrayLike<number>} rows */
    function lossOf(rows) {
      const weights = new Float64Array(rows.length).fill(1 / rows.length);
      return DR.driver.cost(net, theta, taken(X, rows), taken(Y, rows), weights);
    }

    /** The order of the rows in an epoch. @param {number} epoch from 0 */
    function orderOf(epoch) {
      if (perEpoch === 1) return trained;
      const { generator, STREAM } = DR.random;
      return generator(settings.seed, [STREAM.order, epoch])
        .permutation(n)
        .map((i) => trained[i]);
    }

    /** The numbers of the rows of the next step. */
    function nextRows() {
      const epoch = log.count;
      if (done === perEpoch) return orderOf(epoch + 1).slice(0, size); // the epoch could not be closed
      return (order ?? orderOf(epoch)).slice(done * size, (done + 1) * size);
    }

    function oneStep() {
      order ??= orderOf(log.count);
      const rows = order.subarray(done * size, (done + 1) * size);
      const weights = new Float64Array(rows.length).fill(1 / rows.length);
      const { cost, grad } = DR.driver.gradient(net, theta, taken(X, rows), taken(Y, rows), weights);
      if (!Number.isFinite(cost) || !grad.every(Number.isFinite))
        throw new Diverged(
          `training diverged in epoch ${log.count + 1}, batch ${done + 1}: the loss or its gradient is not finite. ` +
            "A smaller learning rate helps, or a smaller penalty",
        );
      updater.step(grad, rate, cost);
      total += cost * rows.length;
      ++done;
    }

    /** All that `restore` needs to go on from here. */
    function saved() {
      return { theta: theta.slice(), updater: updater.saved(), log: log.saved(), rate, done, total, order };
    }

    return {
      net,
      described,
      theta,
      saved,
      /** Goes back, or forward, to a moment of this run. @param {ReturnType<typeof saved>} moment */
      restore(moment) {
        theta.set(moment.theta);
        updater.restore(moment.updater);
        log.restore(moment.log);
        ({ rate, done, total, order } = moment);
      },
      updater,
      log,
      X,
      Y,
      size,
      perEpoch,
      /** Takes steps, at most to the end of the epoch. @param {number} steps */
      advance(steps) {
        const until = Math.min(done + steps, perEpoch);
        const before = done;
        while (done < until) oneStep();
        const taken = done - before;
        if (done === perEpoch) {
          const lost = held ? lossOf(held) : NaN;
          if (held && !Number.isFinite(lost))
            throw new Diverged(
              `training diverged in epoch ${log.count + 1}: the loss of the held-out rows is not finite`,
            );
          log.append(total / n, lost);
          [done, total, order] = [0, 0, null];
        }
        return taken;
      },
      lossOf,
      nextRows,
      /** The outputs of a row; the next call overwrites them. @param {Float64Array} x */
      output: (x) => DR.driver.forward(net, theta, x, null, null, single).A[net.L],
      /** The outputs of rows. @param {Page.DecodedArray} rows */
      outputs(rows) {
        const width = net.widths[net.L];
        const out = new Float64Array(rows.shape[0] * width);
        for (let i = 0; i < rows.shape[0]; ++i) out.set(this.output(DR.data.row(rows, i)), i * width);
        return out;
      },
      /** The share that is right, or the mean error in the target's unit. @param {ArrayLike<number>} all */
      score(all) {
        const rows = DR.plane.evenly(all.length, MOST_SCORED).map((i) => all[i]);
        const out = this.outputs(taken(X, rows)),
          width = net.widths[net.L],
          { classes, scale } = data.target;
        let sum = 0;
        rows.forEach((row, i) => {
          const given = out.subarray(i * width, (i + 1) * width);
          if (!classes.length) sum += Math.abs(given[0] - data.y[row]) * scale;
          else {
            const chosen = width === 1 ? Number(given[0] > 0.5) : given.indexOf(Math.max(...given));
            sum += Number(chosen === data.y[row]);
          }
        });
        return sum / rows.length;
      },
      get rate() {
        return rate;
      },
      set rate(value) {
        rate = value;
      },
      get step() {
        return log.count * perEpoch + done;
      },
      get done() {
        return done;
      },
    };
  }

  return { start, taken, formulas, describe, Diverged };
})();
DR.run = runModule;

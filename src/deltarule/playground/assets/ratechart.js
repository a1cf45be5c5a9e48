// @ts-check
// The losses that several learning rates reach, as a small chart: the recommended rate, and those that
// are too high.
"use strict";

const rateChartModule = (function () {
  const { el, svg } = DR.dom;
  const WIDTH = { least: 180, most: 400 }, // pixels, as wide as its place
    HIGH = 190,
    LETTER = 12,
    MARGIN = { right: 12, top: 36, bottom: 40 };
  const ROOM = 0.5; // above the loss at the start, of what is gained below it; higher losses are cut
  // Parts of what the best rate gains on the start: a loss that is hardly larger, and one that is in sight.
  const HARDLY = 0.01,
    AGAIN = 0.05;
  const LOWER = 0.099; // of the rate with the smallest loss, at the least

  /** A rate in a few characters. @param {number} rate */
  const short = (rate) => String(Number(rate.toPrecision(2)));

  /**
   * Where rates begin to be too high: the first from which on every loss is clearly above the smallest
   * again, the first from which on every loss is above that of the start, and the first from which on
   * none is finite; null where there is none.
   *
   * @param {Live.Rates} found
   * @returns {{ again: number | null, rises: number | null, diverges: number | null }}
   */
  function tooHigh({ rates, losses, suggestion, start }) {
    const least = losses[rates.indexOf(suggestion)] ?? start;
    const clear = least + AGAIN * Math.max(start - least, 0);
    /** @param {(loss: number | null) => boolean} bad */
    const from = (bad) => {
      let first = rates.length;
      while (first > 0 && rates[first - 1] > suggestion && bad(losses[first - 1])) --first;
      return rates[first] ?? null;
    };
    return {
      again: from((loss) => loss === null || loss > clear),
      rises: from((loss) => loss === null || loss > start),
      diverges: from((loss) => loss === null),
    };
  }

  /**
   * The rate to recommend: the lowest whose loss is hardly above the smallest one, a tenth of that one's
   * rate at the least. A lower rate is steadier in the many steps that the trials did not take, and one
   * that is much lower needs many more of them.
   *
   * @param {Live.Rates} found
   */
  function recommended({ rates, losses, suggestion, start }) {
    const least = losses[rates.indexOf(suggestion)] ?? start;
    const most = least + HARDLY * Math.max(start - least, 0);
    const good = (/** @type {number} */ rate, /** @type {number} */ i) =>
      rate > LOWER * suggestion && (losses[i] ?? Infinity) <= most;
    return rates.find(good) ?? suggestion;
  }

  /** What the chart marks at high rates, in words. @param {Live.Rates} found */
  function highWords(found) {
    const { again, rises, diverges } = tooHigh(found);
    if (again === null) return "";
    const words = [
      again === rises ? "" : `from ${short(again)} on the loss is larger again`,
      rises === null || rises === diverges ? "" : `from ${short(rises)} on the loss ends above its start`,
      diverges === null ? "" : `from ${short(diverges)} on it diverges: it is not finite`,
    ].filter(Boolean);
    const text = [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(", and ");
    return ` Too high: ${text}.`;
  }

  /**
   * The losses over the rates, with those that are too high marked, and the recommended one if there is one.
   *
   * @param {Live.Rates} found @param {number} room in pixels @param {string} lossName
   * @param {number | null} advised the rate that is recommended
   */
  function chart(found, room, lossName, advised) {
    const { rates, losses, suggestion, start, steps } = found;
    const A = DR.canvas.scale(),
      size = LETTER * A,
      width = DR.dom.clamp(room, WIDTH.least, WIDTH.most),
      height = HIGH * A;
    const finite = losses.filter((loss) => loss !== null);
    const low = Math.min(start, ...finite),
      largest = Math.max(start, ...finite),
      failed = finite.length < losses.length;
    const cut = start + ROOM * (start - low || Math.abs(start));
    const high = failed ? cut : Math.min(largest, cut);
    /** @param {number} loss */
    const brief = (loss) => DR.canvas.short(Number(loss.toPrecision(2)));
    /** The losses that are named at the axis; where two would touch, the first alone. @type {[loss: number, text: string][]} */
    const named = [
      [low, brief(low)],
      [start, brief(start)],
      [high, largest > high ? `≥ ${brief(high)}` : brief(high)],
      [(low + start) / 2, brief((low + start) / 2)],
    ];
    /** @param {string} text @param {number} [weight] */
    const wide = (text, weight = 400) => DR.layout.numberWidth(text, size, weight);
    const left = Math.max(...named.map(([, text]) => wide(text))) + 8,
      right = width - MARGIN.right,
      top = MARGIN.top * A,
      bottom = height - MARGIN.bottom * A;
    const [first, last] = [rates[0], rates[rates.length - 1]].map(Math.log10);
    /** @param {number} rate */
    const x = (rate) => left + ((right - left) * (Math.log10(rate) - first)) / (last - first);
    /** @param {number | null} loss */
    const y = (loss) => bottom - ((bottom - top) * (Math.min(loss ?? high, high) - low)) / (high - low || 1);
    /** @param {number} x @param {number} y @param {string} anchor @param {string} text @param {string} [more] */
    const word = (x, y, anchor, text, more = "") =>
      svg("text", { class: `tune-tick ${more}`, x, y, "text-anchor": anchor, "font-size": size, text });

    // Powers of ten; every second one, or fewer, where all of them would touch.
    const powers = rates
      .map((rate) => Math.round(Math.log10(rate)))
      .filter((power, i, all) => all.indexOf(power) === i && power >= first - 1e-9 && power <= last + 1e-9);
    const widest = Math.max(...powers.map((power) => wide(short(10 ** power)))) + 8;
    const apart = Math.max(1, Math.ceil((widest * (last - first)) / (right - left)));
    const ticks = powers.filter((power) => (power - powers[0]) % apart === 0);

    const { again, rises, diverges } = tooHigh(found);
    /** Between a rate and the one below it. @param {number | null} rate */
    const before = (rate) => (rate === null ? right : (x(rates[rates.indexOf(rate) - 1]) + x(rate)) / 2);
    const edge = before(again);
    const helps = advised !== null;
    const best = x(advised ?? suggestion),
      called = helps ? `recommended: ${short(advised)}` : "",
      bad = diverges !== null && diverges === again ? "diverges" : "too high";
    // Both names stand above the curve, that of high rates a row higher where they would touch: the
    // curve ends below it, and losses that are cut lie at the upper edge.
    const over = wide(called, 650) / 2,
      half = wide(bad, 650) / 2;
    const at = DR.dom.clamp(best, over, right - over);
    const badAt = Math.min(Math.max((edge + right) / 2, left + half), right - half);
    const touch = helps && badAt - half < at + over + 8;
    const levels = named.filter(([loss], i) =>
      named.slice(0, i).every(([other]) => Math.abs(y(loss) - y(other)) > size + 2),
    );
    /** @type {[number, number][]} */
    const known = [];
    rates.forEach((rate, i) => {
      if (losses[i] !== null) known.push([x(rate), y(losses[i])]);
    });
    return svg(
      "svg",
      {
        class: "tune-chart",
        viewBox: `0 0 ${width} ${height}`,
        width,
        height,
        role: "img",
        "aria-label":
          `The ${lossName} after ${steps} steps over the learning rate, from ${short(rates[0])} to ` +
          `${short(rates[rates.length - 1])} on a logarithmic scale. It is smallest at ${short(suggestion)}: ` +
          `${DR.dom.brief(low)}; before training it is ${DR.dom.brief(start)}.${highWords(found)}`,
      },
      ...[
        ["tune-again", again],
        ["tune-bad", rises],
      ].map(([kind, from]) =>
        from === null
          ? null
          : svg("rect", {
              class: String(kind),
              x: before(Number(from)),
              y: top,
              width: Math.max(right - before(Number(from)), 0),
              height: bottom - top,
            }),
      ),
      svg("line", { class: "tune-start", x1: left, x2: right, y1: y(start), y2: y(start) }),
      svg("line", { class: "tune-axis", x1: left, x2: right, y1: bottom, y2: bottom }),
      svg("line", { class: "tune-axis", x1: left, x2: left, y1: top, y2: bottom }),
      helps ? svg("line", { class: "tune-mark", x1: best, x2: best, y1: top, y2: bottom }) : null,
      svg("polyline", {
        class: "tune-line",
        points: known.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
      }),
      ...rates.map((rate, i) => {
        const [cx, cy] = [x(rate), y(losses[i])];
        if (losses[i] === null)
          return svg("path", { class: "tune-cross", d: `M${cx - 3.5} ${cy - 3.5}l7 7m0-7l-7 7` });
        const chosen = rate === advised;
        return svg("circle", { class: chosen ? "tune-best" : "tune-point", cx, cy, r: chosen ? 5.5 : 2.6 });
      }),
      helps ? word(at, top - 7 * A, "middle", called, "tune-named") : null,
      again === null
        ? null
        : word(badAt, top - 7 * A - (touch ? size + 3 : 0), "middle", bad, "tune-bad-word"),
      ...ticks.map((power) => word(x(10 ** power), bottom + 15 * A, "middle", short(10 ** power))),
      word((left + right) / 2, height - 6 * A, "middle", "learning rate, log scale"),
      ...levels.flatMap(([loss, text]) => [
        svg("line", { class: "tune-axis", x1: left - 4, x2: left, y1: y(loss), y2: y(loss) }),
        // The lowest stands above the axis, below which the first rate stands.
        word(left - 6, loss === low ? y(loss) - 2 : y(loss) + 4 * A, "end", text, "tune-level"),
      ]),
      word(2, size, "start", "loss"),
    );
  }

  /**
   * What the marks of the chart mean.
   *
   * @param {Live.Rates} found @param {number | null} advised
   */
  function legend(found, advised) {
    const { again, rises, diverges } = tooHigh(found);
    /** @type {[mark: string, text: string][]} */
    const marks = [["start", "before training"]];
    if (advised !== null) marks.unshift(["best", "recommended"]);
    if (again !== null && again !== rises) marks.push(["again", "the loss is larger again: too high"]);
    if (rises !== null) marks.push(["bad", "above its start, or not finite: far too high"]);
    if (diverges !== null) marks.push(["cross", "not finite"]);
    return el(
      "ul",
      { class: "tune-legend" },
      ...marks.map(([mark, text]) =>
        el("li", {}, el("span", { class: `tune-key ${mark}`, "aria-hidden": "true" }), text),
      ),
    );
  }

  return { short, tooHigh, recommended, highWords, chart, legend };
})();
DR.rateChart = rateChartModule;

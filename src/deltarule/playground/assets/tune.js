// @ts-check
// Finding a learning rate: some steps from the start with each of several rates, the losses that they
// reach as a small chart, and the rate with the smallest one set.
"use strict";

const tuneModule = (function () {
  const { el, svg } = DR.dom;
  const WIDTH = { least: 180, most: 400 }, // pixels, as wide as its place
    HIGH = 190,
    LETTER = 12,
    MARGIN = { right: 12, top: 36, bottom: 40 };
  const HELPS = 0.95; // of the loss at the start and of that of a constant guess
  const ROOM = 0.5; // above the loss at the start, of what is gained below it; higher losses are cut

  /** A rate in a few characters. @param {number} rate */
  const short = (rate) => String(Number(rate.toPrecision(2)));

  /**
   * Where rates begin to be too high: the first from which on every loss is above that of the start, and
   * the first from which on none is finite; null where there is none.
   *
   * @param {Live.Rates} found @returns {{ rises: number | null, diverges: number | null }}
   */
  function tooHigh({ rates, losses, suggestion, start }) {
    /** @param {(loss: number | null) => boolean} bad */
    const from = (bad) => {
      let first = rates.length;
      while (first > 0 && rates[first - 1] > suggestion && bad(losses[first - 1])) --first;
      return rates[first] ?? null;
    };
    return { rises: from((loss) => loss === null || loss > start), diverges: from((loss) => loss === null) };
  }

  /** What the chart marks at high rates, in words. @param {Live.Rates} found */
  function highWords(found) {
    const { rises, diverges } = tooHigh(found);
    if (rises === null) return "";
    const words = [
      rises === diverges ? "" : `from ${short(rises)} on the loss ends above its start`,
      diverges === null ? "" : `from ${short(diverges)} on it diverges: it is not finite`,
    ].filter(Boolean);
    const text = words.join(", and ");
    return ` Too high: ${text}.`;
  }

  /**
   * The losses over the rates, with those that are too high marked, and the recommended one if there is one.
   *
   * @param {Live.Rates} found @param {number} room in pixels @param {string} lossName
   * @param {boolean} helps whether the suggestion is worth recommending
   */
  function chart(found, room, lossName, helps) {
    const { rates, losses, suggestion, start, steps } = found;
    const A = DR.canvas.scale(),
      size = LETTER * A,
      width = DR.dom.clamp(room, WIDTH.least, WIDTH.most),
      height = HIGH * A;
    const low = Math.min(start, ...losses.map((loss) => loss ?? Infinity));
    const high = start + ROOM * (start - low);
    const [least, begun] = [low, start].map((loss) => DR.canvas.short(Number(loss.toPrecision(2))));
    /** @param {string} text @param {number} [weight] */
    const wide = (text, weight = 400) => DR.layout.numberWidth(text, size, weight);
    const left = Math.max(wide(least), wide(begun)) + 8,
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

    const { rises, diverges } = tooHigh(found);
    const edge = rises === null ? right : (x(rates[rates.indexOf(rises) - 1]) + x(rises)) / 2;
    const best = x(suggestion),
      named = helps ? `recommended: ${short(suggestion)}` : "",
      bad = diverges !== null && diverges === rises ? "diverges" : "too high";
    // Both names stand above the curve, that of high rates a row higher where they would touch: the
    // curve ends below it, and losses that are cut lie at the upper edge.
    const over = wide(named, 650) / 2,
      half = wide(bad, 650) / 2;
    const at = DR.dom.clamp(best, over, right - over);
    const badAt = Math.min(Math.max((edge + right) / 2, left + half), right - half);
    const touch = helps && badAt - half < at + over + 8;
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
      rises === null
        ? null
        : svg("rect", {
            class: "tune-bad",
            x: edge,
            y: top,
            width: Math.max(right - edge, 0),
            height: bottom - top,
          }),
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
        const chosen = helps && rate === suggestion;
        return svg("circle", { class: chosen ? "tune-best" : "tune-point", cx, cy, r: chosen ? 5.5 : 2.6 });
      }),
      helps ? word(at, top - 7 * A, "middle", named, "tune-named") : null,
      rises === null
        ? null
        : word(badAt, top - 7 * A - (touch ? size + 3 : 0), "middle", bad, "tune-bad-word"),
      ...ticks.map((power) => word(x(10 ** power), bottom + 15 * A, "middle", short(10 ** power))),
      word((left + right) / 2, height - 6 * A, "middle", "learning rate, log scale"),
      word(left - 5 * A, y(start) + 4 * A, "end", begun),
      // Above the axis, below which the first rate stands.
      y(low) - y(start) > size ? word(left - 5 * A, y(low) - 2, "end", least) : null,
      word(2, size, "start", "loss"),
    );
  }

  /**
   * The button in `element`, and what it finds.
   *
   * @param {HTMLElement} element @param {() => Live.Wire} wireOf @param {Live.Order} order
   */
  function mount(element, wireOf, order) {
    let usable = true;
    let key = "";
    /** The key of the last search. @type {string | null} */
    let tried = null;
    /** The rate that it has found and set. @type {number | null} */
    let chosen = null;
    /** @type {number | null} */
    let guess = null;
    let lossName = "loss";
    /** Says whether the recommended rate is that of the run. */
    let tell = () => {};
    /** Of the run. */
    let rate = NaN;
    const button = el("button", {
      type: "button",
      class: "button",
      text: "Find a learning rate",
      onclick: find,
    });
    const place = DR.found.make("The loss by learning rate", button);
    place.element.classList.add("tune-found");

    async function find() {
      button.disabled = true;
      place.show(el("p", { class: "note", text: "Trying learning rates …" }));
      try {
        const found = await wireOf().rates();
        tried = key;
        const { rates, losses, suggestion, start, steps } = found;
        const best = losses[rates.indexOf(suggestion)] ?? NaN;
        const helps = best < HELPS * Math.min(start, guess ?? Infinity);
        const rounded = Number(short(suggestion));
        chosen = helps ? rounded : null;
        const refused = helps && (await order("rate", { learning_rate: rounded }));
        const least = `${DR.dom.brief(best)}, with ${short(suggestion)}`;
        const before = `Before training it is ${DR.dom.brief(start)} (dashed)`;
        const text = helps
          ? `After ${steps} steps from the start the loss is smallest, ${least}. ${before}.${highWords(found)}`
          : `No learning rate helps within ${steps} steps from the start: the smallest loss is ${least}. ${before}` +
            `${guess === null ? "" : `, and one answer for all rows would have ${DR.dom.brief(guess)}`}. ` +
            "The rate stays as it was; look into the layers for another cause.";
        const said = el("p", { class: "note" });
        tell = () => {
          const set = !refused && rate === rounded;
          const now = set ? ", which is now set; press Reset to begin with it" : "";
          const words = (helps ? `Recommended: ${short(suggestion)}${now}. ` : "") + text;
          said.replaceChildren(...DR.found.pressing(words, { Reset: () => order("reset") }));
        };
        tell();
        place.show(
          chart(found, place.width(), lossName, helps),
          said,
          el(
            "details",
            {},
            el("summary", { text: "The losses" }),
            el(
              "table",
              { class: "tune-table" },
              el(
                "thead",
                {},
                el(
                  "tr",
                  {},
                  el("th", { scope: "col", text: "rate" }),
                  el("th", { scope: "col", text: "loss" }),
                ),
              ),
              el(
                "tbody",
                {},
                ...rates.map((rate, i) => {
                  const loss = losses[i];
                  return el(
                    "tr",
                    {},
                    el("th", { scope: "row", text: short(rate) }),
                    el("td", {
                      "data-rate": String(rate),
                      "data-value": String(loss),
                      text: loss === null ? "not finite" : DR.dom.brief(loss, 4),
                    }),
                  );
                }),
              ),
            ),
          ),
        );
      } catch (error) {
        place.show(el("p", { class: "note refused", text: DR.shell.reason(error) }));
      } finally {
        button.disabled = !usable;
      }
    }

    const searched = () => tried === key;
    element.replaceChildren(button, place.element);
    return {
      button,
      find,
      /** Whether a rate was looked for from the start of this run. */
      searched,
      /** The learning rate that was found from this start and set; null without one. */
      found: () => (searched() ? chosen : null),
      /** Another run: what was found for the one before is gone. @param {Live.Run} run */
      run(run) {
        const { settings, choices, guess: constant } = run;
        const next = DR.found.keyOf(run);
        if (next !== key) place.close();
        key = next;
        rate = settings.learning_rate;
        tell();
        guess = constant;
        lossName = settings.loss.replaceAll("_", " ") || "loss";
        usable = !choices.without_rate.includes(settings.rule);
        button.disabled = !usable;
        button.title = usable ? "" : `${settings.rule} uses no learning rate`;
      },
    };
  }

  return { mount, tooHigh };
})();
DR.tune = tuneModule;

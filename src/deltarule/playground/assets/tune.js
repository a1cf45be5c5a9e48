// @ts-check
// Finding a learning rate: some steps from the start with each of several rates, the losses that they
// reach as a small chart (ratechart.js), and the recommended rate set.
"use strict";

const tuneModule = (function () {
  const { el } = DR.dom;
  const { short, highWords, chart, legend } = DR.rateChart;
  const HELPS = 0.95; // of the loss at the start and of that of a constant guess

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
    /** The next lower one that was tried and helps, too. @type {number | null} */
    let lower = null;
    /** Whether the run began with the rate that was found, and whether it is at its start. */
    let begun = false,
      fresh = false;
    /** What was found, and the rate that is recommended, for the chart. @type {{ found: Live.Rates, advised: number | null } | null} */
    let drawn = null;
    /** Whether the losses of the run jump with it. */
    let unsteady = false;
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
        /** @param {number | null} loss */
        const good = (loss) => loss !== null && loss < HELPS * Math.min(start, guess ?? Infinity);
        const helps = good(best);
        const advised = DR.rateChart.recommended(found);
        const rounded = Number(short(advised));
        chosen = helps ? rounded : null;
        const below = rates.indexOf(advised) - 1;
        lower = below >= 0 && good(losses[below]) ? Number(short(rates[below])) : null;
        const refused = helps && (await order("rate", { learning_rate: rounded }));
        const least = `${DR.dom.brief(best)}, with ${short(suggestion)}`;
        const before = `Before training it is ${DR.dom.brief(start)} (dashed)`;
        const steadier =
          advised === suggestion
            ? ""
            : `; with ${short(advised)} it is hardly larger, ${DR.dom.brief(losses[rates.indexOf(advised)] ?? NaN)}, and a lower rate is steadier`;
        const text = helps
          ? `After ${steps} steps from the start the loss is smallest, ${least}${steadier}. ${before}.${highWords(found)}`
          : `No learning rate helps within ${steps} steps from the start: the smallest loss is ${least}. ${before}` +
            `${guess === null ? "" : `, and one answer for all rows would have ${DR.dom.brief(guess)}`}. ` +
            "The rate stays as it was; look into the layers for another cause.";
        const said = el("p", { class: "note" });
        tell = () => {
          const set = !refused && rate === rounded;
          const now = !set
            ? ""
            : !begun
              ? ", which is now set; press Reset to begin with it"
              : fresh
                ? ", which is now set: press Play"
                : unsteady
                  ? `. This run began with it, and its loss jumps: the rate turns out unsteady${lower === null ? "" : `, and a lower one, such as ${lower}, will do better`}`
                  : ", with which this run began";
          const words = (helps ? `Recommended: ${short(advised)}${now}. ` : "") + text;
          if (said.textContent === words) return;
          const does = { Reset: () => order("reset"), Play: () => order("play") };
          said.replaceChildren(...DR.found.pressing(words, does));
        };
        tell();
        drawn = { found, advised: helps ? advised : null };
        place.show(
          chart(found, place.width(), lossName, drawn.advised),
          legend(found, helps ? advised : null),
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
    // The letters of the chart follow the size of the text, and it follows its room.
    document.addEventListener("deltarule-size", () =>
      requestAnimationFrame(() => {
        const old = place.element.querySelector(".tune-chart");
        if (drawn && old) old.replaceWith(chart(drawn.found, place.width(), lossName, drawn.advised));
      }),
    );
    return {
      button,
      find,
      /** Whether a rate was looked for from the start of this run. */
      searched,
      /** The learning rate that was found from this start and set; null without one. */
      found: () => (searched() ? chosen : null),
      /** Whether the search from this start has found a rate to be too high. @param {number} rate */
      tooHigh(rate) {
        const from = drawn && searched() ? DR.rateChart.tooHigh(drawn.found).again : null;
        return from !== null && rate >= from;
      },
      /** The next lower rate that was tried and helps; null without one. */
      lower: () => lower,
      /** @param {Live.Header} header */
      frame({ step, changed, learning_rate }) {
        fresh = step === 0;
        // A weight may be set by hand within either run.
        if (changed !== "weight") begun = !changed && learning_rate === chosen;
        tell();
      },
      /** Says whether the losses jump with the rate that was found. @param {boolean} now */
      steady(now) {
        unsteady = !now;
        tell();
      },
      /** Another run: what was found for the one before is gone. @param {Live.Run} run */
      run(run) {
        const { settings, choices, guess: constant } = run;
        const next = DR.found.keyOf(run);
        if (next !== key) {
          place.close();
          tell = () => {};
        }
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

  return { mount };
})();
DR.tune = tuneModule;

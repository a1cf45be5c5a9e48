// @ts-check
// Finding a learning rate: some steps from the start with each of several rates, the losses that they
// reach as a small chart, and the rate with the smallest one set.
"use strict";

const tuneModule = (function () {
  const { el, svg } = DR.dom;
  const WIDE = 180,
    HIGH = 110,
    LEFT = 48,
    RIGHT = 8,
    TOP = 8,
    BOTTOM = 24;
  const HELPS = 0.95; // of the loss at the start and of that of a constant guess
  const ROOM = 0.5; // above the loss at the start, of what is gained below it; higher losses are cut

  /** A rate in a few characters. @param {number} rate */
  const short = (rate) => String(Number(rate.toPrecision(2)));

  /** @param {Live.Rates} found */
  function chart({ rates, losses, suggestion, start }) {
    const low = Math.min(start, ...losses.map((loss) => loss ?? Infinity));
    const high = start + ROOM * (start - low);
    const known = losses.map((loss) => Math.min(loss ?? high, high));
    const [first, last] = [rates[0], rates[rates.length - 1]].map(Math.log10);
    /** @param {number} rate */
    const x = (rate) => LEFT + ((WIDE - LEFT - RIGHT) * (Math.log10(rate) - first)) / (last - first);
    /** @param {number} loss */
    const y = (loss) => HIGH - BOTTOM - ((HIGH - TOP - BOTTOM) * (loss - low)) / (high - low || 1);
    /** @param {number} x @param {number} y @param {string} anchor @param {string} text */
    const tick = (x, y, anchor, text) =>
      svg("text", { class: "tune-tick", x, y, "text-anchor": anchor, text });
    const best = rates.indexOf(suggestion);
    const points = rates.map((rate, i) => [x(rate).toFixed(1), y(known[i]).toFixed(1)]);
    return svg(
      "svg",
      {
        class: "tune-chart",
        viewBox: `0 0 ${WIDE} ${HIGH}`,
        role: "img",
        "aria-label": `Loss by learning rate: smallest at ${short(suggestion)}`,
      },
      svg("line", { class: "tune-start", x1: LEFT, x2: WIDE - RIGHT, y1: y(start), y2: y(start) }),
      svg("line", { class: "tune-axis", x1: LEFT, x2: WIDE - RIGHT, y1: HIGH - BOTTOM, y2: HIGH - BOTTOM }),
      svg("polyline", { class: "tune-line", points: points.map((point) => point.join(",")).join(" ") }),
      ...points.map(([cx, cy], i) =>
        svg("circle", { class: i === best ? "tune-best" : "tune-point", cx, cy, r: i === best ? 5 : 2.5 }),
      ),
      tick(LEFT, HIGH - 8, "start", short(rates[0])),
      tick(WIDE - RIGHT, HIGH - 8, "end", short(rates[rates.length - 1])),
      tick(LEFT - 4, y(start) + 4, "end", DR.canvas.short(start)),
      tick(LEFT - 4, y(low) + 3, "end", DR.canvas.short(low)),
    );
  }

  /**
   * The button in `element`, and what it finds.
   *
   * @param {HTMLElement} element @param {() => Live.Wire} wireOf @param {Live.Order} order
   */
  function mount(element, wireOf, order) {
    const place = el("div", { class: "tune-found", "aria-live": "polite" });
    let usable = true;
    /** @type {number | null} */
    let guess = null;
    const button = el("button", {
      type: "button",
      class: "button",
      text: "Find a learning rate",
      onclick: find,
    });

    async function find() {
      button.disabled = true;
      place.replaceChildren(el("p", { class: "note", text: "Trying learning rates …" }));
      try {
        const found = await wireOf().rates();
        const { rates, losses, suggestion, start, steps } = found;
        const best = losses[rates.indexOf(suggestion)] ?? NaN;
        const helps = best < HELPS * Math.min(start, guess ?? Infinity);
        const refused = helps && (await order("rate", { learning_rate: Number(short(suggestion)) }));
        const least = `${DR.dom.brief(best)}, with ${short(suggestion)}`;
        const before = `Before training it is ${DR.dom.brief(start)} (dashed)`;
        const text = helps
          ? `After ${steps} steps from the start the loss is smallest, ${least}` +
            `${refused ? "." : ", which is now set; press Reset to begin with it."} ${before}.`
          : `No learning rate helps within ${steps} steps from the start: the smallest loss is ${least}. ${before}` +
            `${guess === null ? "" : `, and one answer for all rows would have ${DR.dom.brief(guess)}`}. ` +
            "The rate stays as it was; look into the layers for another cause.";
        place.replaceChildren(
          chart(found),
          el("p", { class: "note", text }),
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
        place.replaceChildren(el("p", { class: "note refused", text: DR.shell.reason(error) }));
      } finally {
        button.disabled = !usable;
      }
    }

    element.replaceChildren(button, place);
    return {
      find,
      /** @param {Live.Run} run */
      run({ settings, choices, guess: constant }) {
        guess = constant;
        usable = !choices.without_rate.includes(settings.rule);
        button.disabled = !usable;
        button.title = usable ? "" : `${settings.rule} uses no learning rate`;
      },
    };
  }

  return { mount };
})();
DR.tune = tuneModule;

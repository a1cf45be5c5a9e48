// @ts-check
// Whether the run learns, in plain words: from the losses as they come, and on request what the gradient
// lens finds in the layers.
"use strict";

const adviceModule = (function () {
  const { el } = DR.dom;
  const { verdict, judgedBy } = DR.verdict;
  /** @typedef {ReturnType<typeof verdict>} Verdict */
  const APART = 500; // milliseconds between two sentences on the losses
  /** What the literature calls findings that have a name there. @type {Record<string, string>} */
  const TERMS = {
    vanishing: "a vanishing gradient",
    exploding: "an exploding gradient",
    dead: "dead nodes",
    saturated: "saturated nodes",
  };
  /** Findings on some of the nodes, without which others may do. */
  const OF_NODES = ["dead", "saturated"];

  /** What a button for an action says. @param {NonNullable<Verdict["action"]>} action */
  const nameOf = ({ kind, value }) =>
    ({
      best: "Back to the best epoch",
      layer: "+ layer",
      bend: "Use tanh",
      rate: `Use ${value}`,
      reset: `Begin with ${value}`,
    })[kind];

  /** @param {number} part */
  const percent = (part) =>
    part > 0 && part < 0.001 ? "less than 0.1 %" : `${Number((100 * part).toPrecision(2))} %`;

  /** @param {number[]} layers none for all of the network */
  const named = (layers) =>
    !layers.length
      ? "The network"
      : layers.length === 1
        ? `Layer ${layers[0]}`
        : `Layers ${layers.slice(0, -1).join(", ")} and ${layers[layers.length - 1]}`;

  /**
   * @param {HTMLElement} element @param {() => Live.Wire} wireOf
   * @param {Record<string, [seen: string, todo: string, activations: string[], instead: string]>} plain
   * findings in plain words, what to do, and what instead with one of these activations
   * @param {Live.RateLimits} limits
   * @param {HTMLButtonElement} rate finds a learning rate
   * @param {{
   *   searched: () => boolean, found?: () => number | null, lower?: () => number | null,
   *   reset: () => unknown, act?: (action: NonNullable<Verdict["action"]>) => unknown,
   *   steady?: (now: boolean) => unknown, tooHigh?: (rate: number) => boolean
   * }} more whether a learning rate was looked for from this start, the one that was found and the next lower
   * one, whether the search has found a rate to be too high, what begins the run anew, what does an action, and what is told whether the loss is steady
   */
  function mount(element, wireOf, plain, limits, rate, more) {
    const { searched, found = () => null, lower = () => null, reset, act = reset, steady = () => {} } = more;
    const { tooHigh = () => false } = more;
    /** @type {Verdict} */
    let latest = { text: "", brief: "", stuck: false };
    /** A sentence, with buttons for what it says to press now. @param {string} text */
    const pressing = (text) => {
      const { action } = latest; // of this sentence: a later verdict may have another one
      /** @type {Record<string, () => unknown>} */
      const does = { Reset: reset, "Find a learning rate": () => rate.click() };
      does[nameOf({ kind: "bend" })] = () => act({ kind: "bend" });
      if (action) does[nameOf(action)] = () => act(action);
      return DR.found.pressing(text, does);
    };
    const words = el("p", { class: "verdict", "data-verdict": "" });
    /** As many of the sentences as there is room for, or the gist, where not all of them have room. */
    const gist = el("p", { class: "verdict verdict-gist", "aria-hidden": "true", hidden: true });
    /** All of the sentences, where the card has room for two lines of them. */
    const whole = el("p", {});
    const onward = el("button", {
      type: "button",
      class: "link verdict-more",
      text: "more",
      "aria-expanded": "false",
      hidden: true,
      onclick: () => (full.element.hidden ? full.show(whole) : full.close()),
    });
    const full = DR.found.make(
      "What the losses say",
      onward,
      (open) => {
        onward.textContent = open ? "less" : "more";
        onward.setAttribute("aria-expanded", String(open));
        fit();
      },
      true,
    );
    const action = el("button", { type: "button", class: "button verdict-act", hidden: true });
    action.addEventListener("click", () => latest.action && act(latest.action));
    const button = el("button", {
      type: "button",
      class: "button",
      text: "Look into the layers",
      onclick: look,
    });
    const place = DR.found.make("What the layers show", button);
    let told = 0;
    /** Whether the learning rate is named first, of which the other findings may be consequences. */
    let follows = false;
    let key = "";
    /** What trials said of the learning rate of a run. @type {{ key: string, rate: number, is: "high" | "low" } | null} */
    let trials = null;
    /** @type {Live.Run | null} */
    let run = null;

    /**
     * What trials from the start of the run have said of its learning rate, where nothing was changed since.
     *
     * @param {Live.Header} header @returns {"high" | "low" | null}
     */
    function known({ changed, learning_rate: rate }) {
      if (changed) return null;
      if (trials && trials.key === key && trials.rate === rate) return trials.is;
      return tooHigh(rate) ? "high" : null;
    }

    /** The numbers of a penalty that outweighs the loss. @param {number} share @param {number} size */
    const weighed = (share, size) =>
      share >= 0.5
        ? `It is ${percent(share)} of the cost now.`
        : `The weights are ${percent(size)} of their size at the start; the penalty itself is then ${percent(share)} of the cost.`;

    /** @param {Live.Lensed["findings"][number]} found */
    function item({ kind, layers, serious, seen, why, what, own, share, size }) {
      const [plainly, usual, activations, instead] = plain[kind] ?? [seen ?? kind, what ?? "", [], ""];
      const { activation } = /** @type {Live.Run} */ (run).settings;
      const todo = activations.includes(activation) ? instead : usual;
      const first = kind.startsWith("learning rate");
      const mild = latest.well && OF_NODES.includes(kind);
      const term = TERMS[kind];
      return el(
        "li",
        {
          class: serious && !mild && (first || !follows) ? "serious" : null,
          "data-finding": kind,
          "data-layers": layers.join(","),
        },
        el("p", {}, el("strong", { text: `${named(layers)}: ` }), plainly),
        share === undefined || size === undefined ? null : el("p", { text: weighed(share, size) }),
        el(
          "p",
          {},
          ...pressing(
            mild
              ? `The network learns all the same, so nothing has to be done. To use them, too: ${todo[0].toLowerCase()}${todo.slice(1)}`
              : todo,
          ),
        ),
        own
          ? null
          : seen
            ? el(
                "details",
                {},
                el("summary", { text: `In numbers (${kind})` }),
                ...[seen, why, what].map((text) => (text ? el("p", { class: "note", text }) : null)),
              )
            : term
              ? el("p", { class: "note", text: `This is called ${term}.` })
              : null,
      );
    }

    /**
     * The learning rate, where it is too high and the losses alone say so, or the weights are those of
     * another one: what the layers show comes from it, and other advice than that would lead astray.
     *
     * @param {Live.Lensed["findings"]} findings
     */
    function rateFirst(findings) {
      const { high, other, unsteady, action } = latest;
      if (findings.some(({ kind }) => kind.startsWith("learning rate"))) return null;
      if (!high && !other && !unsteady) return null;
      const below = findings.length ? " What is listed below may come from that." : "";
      const find = "Press Find a learning rate, and then Reset.";
      const [seen, todo] = high
        ? [
            `The learning rate is probably too high: the losses say so.${below}`,
            action?.kind === "best"
              ? "Press Back to the best epoch; for a run from the start press Find a learning rate, and then Reset."
              : action?.kind === "rate"
                ? `Press ${nameOf(action)}, and then Reset.`
                : find,
          ]
        : other
          ? [
              `These weights come from a run with another learning rate than the one that is set now.${below}`,
              "Press Reset to begin with the one that was found, and look again.",
            ]
          : [
              `The learning rate is rather high: the loss jumps.${below}`,
              action ? `Press ${nameOf(action)}.` : find,
            ];
      return el(
        "li",
        { class: "serious", "data-finding": "learning rate", "data-layers": "" },
        el("p", {}, el("strong", { text: "The network: " }), seen),
        el("p", {}, ...pressing(todo)),
      );
    }

    async function look() {
      button.disabled = true;
      try {
        const given = run,
          of_run = key;
        const { rows, of, sizes, findings } = await wireOf().lens();
        const rated = findings.find(({ kind }) => kind.startsWith("learning rate too "));
        if (rated && given)
          trials = {
            key: of_run,
            rate: given.settings.learning_rate,
            is: rated.kind.endsWith("high") ? "high" : "low",
          };
        if (rated && last) judge(last);
        const looked =
          rows < of ? `${DR.text.count(rows)} of ${DR.text.count(of)} rows` : `${DR.text.count(rows)} rows`;
        const ofRate = rateFirst(findings);
        follows = Boolean(ofRate) || findings[0]?.kind.startsWith("learning rate");
        place.show(
          ofRate || findings.length
            ? el("ul", { class: "lens-advice" }, ofRate, ...findings.map(item))
            : el("p", {
                "data-finding": "",
                text: "All layers are in order: the error reaches each of them, and no node is off or stuck.",
              }),
          el(
            "p",
            { class: "note" },
            `Measured on ${looked} at this moment. Size of ∂C/∂z: `,
            ...sizes.flatMap((size, i) => [
              i ? ", " : "",
              el("span", {
                "data-size-of": String(i + 1),
                "data-value": String(size),
                text: `layer ${i + 1} ${size === null ? "not finite" : DR.dom.brief(size)}`,
              }),
            ]),
            ".",
          ),
        );
      } catch (error) {
        place.show(el("p", { class: "note refused", text: DR.shell.reason(error) }));
      } finally {
        button.disabled = false;
      }
    }

    /**
     * Where the sentences have more lines than there is room for, the first of them are shown, or else the
     * gist, and a button beside them shows all.
     */
    function fit() {
      const cut = words.scrollHeight > words.clientHeight + 1;
      onward.hidden = full.element.hidden && !cut;
      gist.hidden = !cut;
      words.classList.toggle("unfit", cut);
      if (!cut) return;
      const text = words.textContent ?? "";
      const sentences = text.split(/(?<=[.:]) (?=[A-Z])/);
      gist.classList.remove("small");
      const fits = () => gist.scrollHeight <= gist.clientHeight + 1;
      for (let n = sentences.length - 1; n > 0; --n) {
        gist.textContent = sentences.slice(0, n).join(" ");
        if (fits()) return;
      }
      gist.textContent = words.dataset.brief ?? "";
      if (!fits()) gist.classList.add("small");
    }
    new ResizeObserver(fit).observe(words);

    element.replaceChildren(
      el("div", { class: "verdict-row" }, el("div", { class: "verdict-box" }, words, gist, onward), action),
      button,
      place.element,
      full.element,
    );
    /** @type {Live.Frame | null} The frame that was judged last. */
    let last = null;
    /** @param {Live.Frame} frame */
    function judge(frame) {
      if (!run) return;
      last = frame;
      const { header, arrays } = frame;
      const by = judgedBy(run, limits, searched(), found(), lower(), known(header));
      latest = verdict(arrays.curve, header, by);
      const { text, stuck, layers = false, unsteady = false, action: next } = latest;
      steady(!unsteady);
      const name = next ? nameOf(next) : "";
      if (action.textContent !== name) action.textContent = name;
      action.hidden = !next;
      if (words.textContent !== text) {
        words.textContent = text;
        words.dataset.brief = latest.brief;
        whole.replaceChildren(...pressing(text));
        fit();
      }
      // Of the two, what is most likely to help; where one press leads out, that.
      action.classList.toggle("suggested", Boolean(next));
      rate.classList.toggle("suggested", stuck && !layers && !next);
      button.classList.toggle("suggested", layers && !next);
    }

    return {
      /** @param {Live.Frame} frame */
      frame(frame) {
        const now = performance.now();
        if (frame.header.phase === "playing" && now - told < APART) return;
        told = now;
        judge(frame);
      },
      /** Another run: what was found of the one before is gone. @param {Live.Run} given */
      run(given) {
        run = given;
        last = null;
        const next = DR.found.keyOf(given);
        if (next !== key) for (const each of [place, full]) each.close();
        key = next;
      },
    };
  }

  return { mount, verdict };
})();
DR.advice = adviceModule;

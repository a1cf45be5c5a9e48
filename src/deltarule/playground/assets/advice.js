// @ts-check
// Whether the run learns, in plain words: from the losses as they come, and on request what the gradient
// lens finds in the layers.
"use strict";

const adviceModule = (function () {
  const { el } = DR.dom;
  const APART = 500; // milliseconds between two sentences on the losses
  const RISEN = 1.05,
    HARDLY = 0.9, // of the loss at the start
    LITTLE = 0.8, // of the loss of a constant guess
    JUMPS = 0.2, // of that: a loss that jumps about above it calls for a lower rate
    NOTHING = 0.99, // of that: what is left is noise of the last steps
    WELL = 0.5, // of that: nodes that are off keep it from nothing much
    BENT = 0.2, // of that, too: above it, a network without bends may need some
    WORSE = 2; // times the smallest loss before a change: then the change has spoiled it
  const FEW_EPOCHS = 5;
  /** What the literature calls findings that have a name there. @type {Record<string, string>} */
  const TERMS = {
    vanishing: "a vanishing gradient",
    exploding: "an exploding gradient",
    dead: "dead nodes",
    saturated: "saturated nodes",
  };
  /** Findings on some of the nodes, without which others may do. */
  const OF_NODES = ["dead", "saturated"];

  /**
   * What the losses of a run are judged by.
   *
   * @typedef {{
   *   guess: number | null,
   *   linear: boolean,
   *   penalised: boolean,
   *   searched: boolean,
   *   found: number | null,
   *   derivable: boolean,
   *   limits: Live.RateLimits
   * }} Judged
   * @param {Live.Run} run @param {Live.RateLimits} limits
   * @param {boolean} searched whether a learning rate was looked for from this start
   * @param {number | null} found the one that was found and set
   * @returns {Judged}
   */
  const judgedBy = (
    { guess, settings: { layers, activation, l1, l2 }, choices },
    limits,
    searched,
    found,
  ) => ({
    guess,
    limits,
    searched,
    found,
    derivable: choices.derived.length > 0,
    linear: !layers.length || activation === "identity",
    penalised: l1 > 0 || l2 > 0,
  });

  /** @typedef {{ text: string, stuck: boolean, layers?: boolean, well?: boolean, cause?: string }} Verdict */

  /**
   * The sentences on the losses, a cause first: where there is room for two lines only, it is in sight.
   *
   * @param {Float32Array} curve epoch, loss, held-out loss by turns @param {Live.Header} header
   * @param {Judged} judged @returns {Verdict}
   */
  function verdict(curve, header, judged) {
    const { cause, text, ...more } = sinceChange(curve, header, judged);
    return { text: cause ? `${cause} ${text}` : text, ...more };
  }

  /**
   * A sentence or two on the losses, and whether they call for another learning rate. Where the rate or a
   * weight was changed within the run, what came before the change says nothing of what it does now: the
   * losses since are judged, and compared with the best before. `layers` says whether the layers should be
   * looked into first, `well` whether the network learns well, and `cause` is a sentence on a probable cause.
   *
   * @param {Float32Array} curve @param {Live.Header} header @param {Judged} judged @returns {Verdict}
   */
  function sinceChange(curve, header, judged) {
    const { changed, changed_epoch: at, epoch, phase, by_hand } = header;
    if (!changed || phase === "diverged" || by_hand) return ofLosses(curve, header, judged, 0, false);
    // A rate is found for a run from the start; weights that another one has spoiled say nothing of it.
    if (changed === "rate" && judged.found === header.learning_rate)
      return {
        text: `The learning rate of ${judged.found} was found for a run from the start: press Reset to begin with it.`,
        stuck: false,
      };
    const n = curve.length / 3;
    const weight = changed === "weight";
    const what = `${weight ? "a weight was set by hand" : "the learning rate was changed"} after epoch ${DR.text.count(at)}`;
    // The loss before a weight was set is not the one that the training went on from; the first epoch's is.
    const begin = weight ? at + 1 : at;
    let start = 0,
      best = 0;
    for (let i = 0; i < n; ++i) {
      if (curve[3 * i] <= begin) start = i;
      if (curve[3 * i] <= at && curve[3 * i + 1] < curve[3 * best + 1]) best = i;
    }
    if (epoch <= begin)
      return { text: `${what[0].toUpperCase()}${what.slice(1)}: the next epochs will tell.`, stuck: false };
    const [bestLoss, bestEpoch] = [curve[3 * best + 1], curve[3 * best]];
    const base = curve[3 * start + 1],
      last = curve[3 * n - 2];
    const spoiled = last > WORSE * bestLoss;
    const constant = judged.guess ?? Infinity;
    const { text, stuck, ...more } = ofLosses(curve.subarray(3 * start), header, judged, begin, spoiled);
    const [from, to, first] = [base, last, curve[1]].map((loss) => DR.dom.brief(loss));
    const settled = last <= RISEN * base && last > HARDLY * base && !spoiled;
    if (settled && last <= LITTLE * constant && last < HARDLY * curve[1])
      return {
        text: `Since ${what}, the loss has hardly changed, from ${from} to ${to}; in all it has fallen from ${first}.`,
        stuck: false,
      };
    const since = `Since ${what}, ${text[0].toLowerCase()}${text.slice(1)}`;
    if (!spoiled) return { text: since, stuck, ...more };
    const before = `after epoch ${DR.text.count(bestEpoch)} it was ${DR.dom.brief(bestLoss)}`;
    return { text: `${since} Before that it was better: ${before}. Undo goes back to it.`, stuck, ...more };
  }

  /**
   * What the losses say by themselves.
   *
   * @param {Float32Array} curve @param {Live.Header} header @param {Judged} judged
   * @param {number} begin the epoch that the curve begins after
   * @param {boolean} spoiled whether the loss was much smaller before
   * @returns {Verdict}
   */
  function ofLosses(
    curve,
    { step, epoch: end, phase, learning_rate, by_hand, loss },
    { guess, linear, penalised, searched, derivable, limits },
    begin,
    spoiled,
  ) {
    const n = curve.length / 3,
      epoch = end - begin;
    const first = curve[1],
      last = curve[3 * n - 2];
    const [from, to] = [first, last].map((loss) => DR.dom.brief(loss));
    const taken = epoch ? `${DR.text.count(epoch)} epoch${epoch > 1 ? "s" : ""}` : `${step} steps`;
    const tooHigh = `The learning rate of ${learning_rate} is probably too high.`;
    if (phase === "diverged")
      return {
        text: `The training has broken off: a number became too large. ${tooHigh}`,
        stuck: true,
      };
    if (!step) return { text: "It has not taken a step yet: press Play.", stuck: false };
    if (by_hand) {
      const now = loss === null ? "not finite" : DR.dom.brief(loss);
      const before = epoch ? ` After epoch ${DR.text.count(epoch)} it was ${to}.` : "";
      return { text: `Weights were set by hand: the loss is now ${now}.${before}`, stuck: false };
    }
    if (!epoch) return { text: "The first epoch is not over yet.", stuck: false };
    if (last > RISEN * first)
      return { cause: tooHigh, text: `The loss has risen, from ${from} to ${to}.`, stuck: true };
    const early = epoch < FEW_EPOCHS;
    const constant = guess ?? Infinity;
    const losses = Array.from({ length: n - 1 }, (_, i) => curve[3 * i + 4]);
    const level = DR.jumps.level(losses, first, limits);
    if (level !== null && level > JUMPS * Math.min(first, constant)) {
      const tail = DR.jumps.tailOf(losses);
      const [low, high] = [Math.min(...tail), Math.max(...tail)].map((loss) => DR.dom.brief(loss));
      const text = `The loss jumps about, between ${low} and ${high}, and falls no further.`;
      return { cause: tooHigh, text, stuck: true };
    }
    const little = last > LITTLE * constant;
    const straight = linear && !early && last > BENT * constant;
    const cause = straight
      ? "No layer bends what it computes: the network can only draw a straight line."
      : "";
    const advice = early
      ? ["A few more epochs will tell."]
      : [
          penalised && little ? "Look into the layers: they show whether the penalty is too large." : "",
          searched && !straight && (little || last > HARDLY * first)
            ? `A learning rate was looked for already, so the network is probably too small: give it more nodes or layers${derivable ? ", or derived inputs" : ""}.`
            : "",
        ];
    /** @param {string} text */
    const withAdvice = (text) => [text, ...advice.filter(Boolean)].join(" ");
    if (last > HARDLY * first)
      return {
        cause,
        text: withAdvice(`The loss has hardly fallen, from ${from} to ${to} in ${taken}.`),
        stuck: !early && !searched && !straight,
        layers: straight,
      };
    if (little) {
      const same = DR.dom.brief(constant);
      if (last > NOTHING * constant)
        return {
          cause,
          text: withAdvice(
            `It has learned nothing about single rows: the loss has fallen from ${from} to ${to} in ${taken}, but one answer for all rows would have ${same}.`,
          ),
          stuck: !early,
          layers: true,
        };
      return {
        cause,
        text: withAdvice(
          `It learns little: the loss has fallen from ${from} to ${to} in ${taken}, and one answer for all rows would have ${same}.`,
        ),
        stuck: !early && !searched && !straight,
        layers: straight,
      };
    }
    const learned = `It learns: the loss has fallen from ${from} to ${to} in ${taken}.`;
    const text = early ? learned : withAdvice(learned),
      well = last < WELL * constant;
    const risen = spoiled ? null : DR.overfitting.lasting(curve, Math.min(constant, first));
    if (!risen) return { cause, text, stuck: false, well };
    const [least, held] = [risen.least, curve[3 * n - 1]].map((loss) => DR.dom.brief(loss));
    return {
      cause,
      text:
        `${text} On the rows held out it was best after epoch ${DR.text.count(risen.epoch)}, ${least}, and has risen ` +
        `since, to ${held}: it learns the training rows by heart. Fewer nodes, more rows or an L2 penalty help.`,
      stuck: false,
      well,
    };
  }

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
   * @param {{ searched: () => boolean, found?: () => number | null, reset: () => unknown }} more whether a learning rate was looked for
   * from this start, and what begins the run anew
   */
  function mount(element, wireOf, plain, limits, rate, { searched, found = () => null, reset }) {
    /** A sentence, with buttons for what it says to press. @param {string} text */
    const pressing = (text) =>
      DR.found.pressing(text, { Reset: reset, "Find a learning rate": () => rate.click() });
    const words = el("p", { class: "verdict", "data-verdict": "" });
    const more = el("button", {
      type: "button",
      class: "link verdict-more",
      text: "more",
      "aria-expanded": "false",
      hidden: true,
      onclick: () => whole(words.dataset.whole === undefined),
    });
    const button = el("button", {
      type: "button",
      class: "button",
      text: "Look into the layers",
      onclick: look,
    });
    const place = DR.found.make("What the layers show", button);
    let told = 0;
    let well = false;
    let key = "";
    /** @type {Live.Run | null} */
    let run = null;

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
      const mild = well && OF_NODES.includes(kind);
      const term = TERMS[kind];
      return el(
        "li",
        { class: serious && !mild ? "serious" : null, "data-finding": kind, "data-layers": layers.join(",") },
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

    async function look() {
      button.disabled = true;
      try {
        const { rows, of, sizes, findings } = await wireOf().lens();
        const looked =
          rows < of ? `${DR.text.count(rows)} of ${DR.text.count(of)} rows` : `${DR.text.count(rows)} rows`;
        place.show(
          findings.length
            ? el("ul", { class: "lens-advice" }, ...findings.map(item))
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

    /** Where the sentences have more lines than there is room for, they are cut until a reader asks. */
    function fit() {
      const open = words.dataset.whole !== undefined;
      more.hidden = !open && words.scrollHeight <= words.clientHeight + 1;
    }

    /** @param {boolean} all */
    function whole(all) {
      if (all) words.dataset.whole = "";
      else delete words.dataset.whole;
      more.textContent = all ? "less" : "more";
      more.setAttribute("aria-expanded", String(all));
      fit();
    }
    new ResizeObserver(fit).observe(words);

    element.replaceChildren(words, more, button, place.element);
    return {
      /** @param {Live.Frame} frame */
      frame({ header, arrays }) {
        const now = performance.now();
        if (header.phase === "playing" && now - told < APART) return;
        told = now;
        if (!run) return;
        const {
          text,
          stuck,
          layers = false,
          well: learns = false,
        } = verdict(arrays.curve, header, judgedBy(run, limits, searched(), found()));
        well = learns;
        if (words.textContent !== text) {
          words.textContent = text;
          fit();
        }
        // Of the two, what is most likely to help.
        rate.classList.toggle("suggested", stuck && !layers);
        button.classList.toggle("suggested", layers);
      },
      /** Another run: what was found of the one before is gone. @param {Live.Run} given */
      run(given) {
        run = given;
        const next = DR.found.keyOf(given);
        if (next !== key) place.close();
        key = next;
      },
    };
  }

  return { mount, verdict };
})();
DR.advice = adviceModule;

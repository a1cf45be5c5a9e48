// @ts-check
// What the losses of a run say, in plain words: whether it learns, what is probably wrong, and what to do.
"use strict";

const verdictModule = (function () {
  const RISEN = 1.05,
    HARDLY = 0.9, // of the loss at the start
    LITTLE = 0.8, // of the loss of a constant guess
    JUMPS = 0.2, // of that: a loss that jumps about above it calls for a lower rate
    NOTHING = 0.99, // of that: what is left is noise of the last steps
    WELL = 0.5, // of that: nodes that are off keep it from nothing much
    BENT = 0.2, // of that, too: above it, a network without bends may need some
    WORSE = 2, // times the smallest loss before a change: then the change has spoiled it
    FAR = 10; // times the loss at the start: a rate that drives it there is far too high
  const FEW_EPOCHS = 5,
    RECENT = 50; // epochs after a weight was set by hand, in which what the loss does comes from that

  /**
   * What the losses of a run are judged by.
   *
   * @typedef {{
   *   guess: number | null,
   *   linear: boolean,
   *   penalised: boolean,
   *   searched: boolean,
   *   found: number | null,
   *   lower: number | null,
   *   known: "high" | "low" | null,
   *   bare: boolean,
   *   derivable: boolean,
   *   limits: Live.RateLimits
   * }} Judged
   * @param {Live.Run} run @param {Live.RateLimits} limits
   * @param {boolean} searched whether a learning rate was looked for from this start
   * @param {number | null} found the one that was found and set
   * @param {number | null} lower the next lower one that helps, too
   * @param {"high" | "low" | null} known what trials from the start of the run say of its rate
   * @returns {Judged}
   */
  const judgedBy = (
    { guess, settings: { layers, activation, l1, l2 }, choices },
    limits,
    searched,
    found,
    lower,
    known,
  ) => ({
    guess,
    limits,
    searched,
    found,
    lower,
    known,
    bare: !layers.length,
    derivable: choices.derived.length > 0,
    linear: !layers.length || activation === "identity",
    penalised: l1 > 0 || l2 > 0,
  });

  /**
   * What a verdict can be followed by at once: back to the best epoch, a first hidden layer, an activation
   * that bends, another learning rate, or a run from the start.
   *
   * @typedef {{ kind: "best" | "layer" | "bend" | "rate" | "reset", value?: number }} Action
   */
  /**
   * `stuck`: another learning rate may help; `layers`: the layers should be looked into first; `well`: the
   * network learns well; `high`: the learning rate is too high; `other`: the weights are those of another
   * rate than the one that is set; `unsteady`: the loss jumps; `brief`: the gist, for a place with no room
   * for a sentence of the text.
   *
   * @typedef {{
   *   text: string, brief: string, stuck: boolean, layers?: boolean, well?: boolean, cause?: string, high?: boolean,
   *   other?: boolean, unsteady?: boolean, action?: Action
   * }} Verdict
   */

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
   * losses since are judged, and compared with the best before. `cause` is a sentence on a probable cause.
   *
   * @param {Float32Array} curve @param {Live.Header} header @param {Judged} judged @returns {Verdict}
   */
  function sinceChange(curve, header, judged) {
    const { changed, changed_epoch: at, epoch, phase, by_hand, best_epoch, best_loss } = header;
    const weight = changed === "weight";
    const what = `${weight ? "a weight was set by hand" : "the learning rate was changed"} after epoch ${DR.text.count(at)}`;
    if (!changed || phase === "diverged" || by_hand) {
      const found = ofLosses(curve, header, judged, 0, false);
      if (!weight || phase !== "diverged" || highUntil(at, curve, header, judged)) return found;
      const broken = `The training has broken off since ${what}: a number became too large.`;
      const { action } = found;
      const way = action?.kind === "best" ? " Press Back to the best epoch to go on from there." : "";
      return { text: broken + way, brief: "It broke off: a weight was set.", stuck: false, action };
    }
    // A rate is found for a run from the start; weights that another one has spoiled say nothing of it.
    if (changed === "rate" && judged.found === header.learning_rate)
      return {
        text: `The learning rate of ${judged.found} was found for a run from the start: press Reset to begin with it.`,
        brief: "Press Reset to begin with it.",
        stuck: false,
        other: true,
        action: { kind: "reset", value: header.learning_rate },
      };
    const n = curve.length / 3;
    // The loss before a weight was set is not the one that the training went on from; the first epoch's is.
    const begin = weight ? at + 1 : at;
    let start = 0,
      best = 0;
    for (let i = 0; i < n; ++i) {
      if (curve[3 * i] <= begin) start = i;
      if (curve[3 * i] <= at && curve[3 * i + 1] < curve[3 * best + 1]) best = i;
    }
    // Of a long run some epochs are not in the curve: the first one since then that is.
    if (weight) while (start < n && curve[3 * start] < begin) ++start;
    if (epoch <= begin || start === n)
      return {
        text: `${what[0].toUpperCase()}${what.slice(1)}: the next epochs will tell.`,
        brief: "The next epochs will tell.",
        stuck: false,
      };
    // The curve has lost some epochs of a long run; the best one is kept, whichever it is.
    const kept = best_epoch && best_loss !== null;
    const [bestLoss, bestEpoch] =
      kept && best_epoch <= at ? [best_loss, best_epoch] : [curve[3 * best + 1], curve[3 * best]];
    const base = curve[3 * start + 1],
      last = curve[3 * n - 2];
    const spoiled = last > WORSE * bestLoss;
    const constant = judged.guess ?? Infinity;
    const all = ofLosses(curve.subarray(3 * start), header, judged, begin, spoiled);
    const own = weight && (all.high || all.unsteady) && !highUntil(at, curve, header, judged);
    const { text, stuck, ...more } = own ? ofWeight(all, epoch - begin) : all;
    const [from, to, first] = [base, last, curve[1]].map((loss) => DR.dom.brief(loss));
    const settled = last <= RISEN * base && last > HARDLY * base && !spoiled;
    if (settled && last <= LITTLE * constant && last < HARDLY * curve[1])
      return {
        text: `Since ${what}, the loss has hardly changed, from ${from} to ${to}; in all it has fallen from ${first}.`,
        brief: "Hardly changed since then.",
        stuck: false,
      };
    const since = `Since ${what}, ${text[0].toLowerCase()}${text.slice(1)}`;
    if (!spoiled) return { text: since, stuck, ...more };
    const before = `after epoch ${DR.text.count(bestEpoch)} it was ${DR.dom.brief(bestLoss)}`;
    const way = kept ? "Press Back to the best epoch to go on from there." : "Undo takes the change back.";
    const whole = `${since} Before that it was better: ${before}. ${way}`;
    return kept ? { text: whole, stuck, ...more, action: { kind: "best" } } : { text: whole, stuck, ...more };
  }

  /**
   * Whether the learning rate was too high before a change already.
   *
   * @param {number} epoch the last one before it @param {Float32Array} curve @param {Live.Header} header
   * @param {Judged} judged
   */
  function highUntil(epoch, curve, header, judged) {
    let n = 0;
    while (3 * n < curve.length && curve[3 * n] <= epoch) ++n;
    const then = { ...header, epoch, phase: "paused", by_hand: false };
    return n > 1 && ofLosses(curve.subarray(0, 3 * n), then, judged, 0, false).high === true;
  }

  /**
   * A verdict that blames the learning rate, where a weight was set by hand before: that comes first, and the
   * rate is named where the epochs since are many.
   *
   * @param {Verdict} verdict @param {number} epochs since then @returns {Verdict}
   */
  function ofWeight({ text, cause, well }, epochs) {
    const more = epochs > RECENT && cause ? ` ${cause}` : "";
    return { text: text + more, brief: "Worse since a weight was set.", stuck: false, well };
  }

  /**
   * What trials say of a learning rate with which the loss falls little.
   *
   * @param {"high" | "low"} known @param {number} rate
   * @returns {{ cause: string, brief: string, more: Partial<Verdict> }}
   */
  function trialWords(known, rate) {
    const other = known === "high" ? "lower" : "higher";
    return {
      cause: `The learning rate of ${rate} is too ${known}: from the same start a ${other} one does far better.`,
      brief: `The rate is too ${known}.`,
      more: { stuck: true, high: known === "high" },
    };
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
    { step, epoch: end, phase, learning_rate, by_hand, loss, best_epoch, best_loss, undo },
    { guess, linear, bare, penalised, searched, derivable, limits, found, lower, known },
    begin,
    spoiled,
  ) {
    const n = curve.length / 3,
      epoch = end - begin;
    const first = curve[1],
      last = curve[3 * n - 2];
    const [from, to] = [first, last].map((loss) => DR.dom.brief(loss));
    const taken = epoch ? `${DR.text.count(epoch)} epoch${epoch > 1 ? "s" : ""}` : `${step} steps`;
    // One that was recommended was tried in some steps only, and another search would find it again.
    const advised = found !== null && found === learning_rate;
    const instead = lower ? ` A lower one, such as ${lower}, will do better.` : "";
    const turnsOut = `The recommended learning rate of ${learning_rate} turns out unsteady.${instead}`;
    const losses = Array.from({ length: n - 1 }, (_, i) => curve[3 * i + 4]);
    const peak = losses.reduce((x, y) => Math.max(x, y), 0);
    const far = phase === "diverged" || peak > FAR * first;
    const how = far ? "far too high" : known === "high" ? "too high" : "probably too high";
    const tooHigh = advised ? turnsOut : `The learning rate of ${learning_rate} is ${how}.`;
    /** @type {Pick<Verdict, "high" | "stuck" | "unsteady" | "action" | "brief">} */
    const blamed = {
      high: true,
      stuck: !advised,
      brief: advised ? "The rate is unsteady." : `The rate is ${how}.`,
    };
    if (advised) blamed.unsteady = true;
    if (advised && lower) blamed.action = { kind: "rate", value: lower };
    if (phase === "diverged") {
      const broken = `The training has broken off: a number became too large. ${tooHigh}`;
      if (!best_epoch || best_loss === null || best_loss >= HARDLY * first)
        return { text: broken, ...blamed };
      const before = `After epoch ${DR.text.count(best_epoch)} the loss was ${DR.dom.brief(best_loss)}`;
      return {
        text: `${broken} ${before}: press Back to the best epoch to go on from there.`,
        ...blamed,
        action: { kind: "best" },
      };
    }
    if (!step) {
      const back = undo === "run" ? " Undo brings back the run before." : "";
      return { text: `It has not taken a step yet: press Play.${back}`, brief: "Press Play.", stuck: false };
    }
    if (by_hand) {
      const now = loss === null ? "not finite" : DR.dom.brief(loss);
      const before = epoch ? ` After epoch ${DR.text.count(epoch)} it was ${to}.` : "";
      return {
        text: `Weights were set by hand: the loss is now ${now}.${before}`,
        brief: `By hand: the loss is now ${now}.`,
        stuck: false,
      };
    }
    if (!epoch)
      return { text: "The first epoch is not over yet.", brief: "The first epoch goes on.", stuck: false };
    const top = DR.dom.brief(peak);
    if (last > RISEN * first) {
      const fell = far && top !== to;
      const text = fell
        ? `The loss went up to ${top}, and is ${to} now; it began with ${from}.`
        : `The loss has risen, from ${from} to ${to}.`;
      return { cause: tooHigh, text, ...blamed };
    }
    const early = epoch < FEW_EPOCHS;
    const constant = guess ?? Infinity;
    const level = DR.jumps.level(losses, first, limits);
    if (level !== null && level > JUMPS * Math.min(first, constant)) {
      const tail = DR.jumps.tailOf(losses);
      const [low, high] = [Math.min(...tail), Math.max(...tail)].map((loss) => DR.dom.brief(loss));
      const most = far && top !== high ? ` It went up to ${top} before.` : "";
      const text = `The loss jumps about, between ${low} and ${high}, and falls no further.${most}`;
      return { cause: tooHigh, text, ...blamed };
    }
    const little = last > LITTLE * constant;
    const straight = linear && !early && last > BENT * constant;
    // A rate that is far too high throws the weights far away, and all rows get one answer.
    if (little && peak > WORSE * Math.max(first, constant)) {
      const text = `The loss went up to ${top} and came back to ${to}; one answer for all rows would have ${DR.dom.brief(constant)}.`;
      return { cause: tooHigh, text, ...blamed };
    }
    const line = "the network can only draw a straight line.";
    // The losses alone do not tell a rate that is too high from one that is too low; trials do.
    const tried = known !== null && known !== undefined && !straight && !advised && !early;
    const other = tried ? trialWords(known, learning_rate) : null;
    const cause = other
      ? other.cause
      : !straight
        ? ""
        : bare
          ? `Without a hidden layer ${line} Press + layer to give it one.`
          : `No layer bends what it computes: ${line} Press Use tanh to let its hidden layers bend.`;
    /** @type {Pick<Verdict, "layers" | "action">} */
    const bend = {};
    if (straight) Object.assign(bend, { layers: true, action: { kind: bare ? "layer" : "bend" } });
    /** @param {string} usual */
    const brief = (usual) => other?.brief ?? (straight ? "It draws a straight line only." : usual);
    const blames = other?.more ?? {};
    const advice = early
      ? ["A few more epochs will tell."]
      : [
          penalised && little ? "Look into the layers: they show whether the penalty is too large." : "",
          searched && !straight && !other && (little || last > HARDLY * first)
            ? `A learning rate was looked for already, so the network is probably too small: give it more nodes or layers${derivable ? ", or derived inputs" : ""}.`
            : "",
        ];
    /** @param {string} text */
    const withAdvice = (text) => [text, ...advice.filter(Boolean)].join(" ");
    if (last > HARDLY * first)
      return {
        cause,
        text: withAdvice(`The loss has hardly fallen, from ${from} to ${to} in ${taken}.`),
        brief: brief("The loss has hardly fallen."),
        stuck: !early && !searched && !straight,
        ...bend,
        ...blames,
      };
    if (little) {
      const same = DR.dom.brief(constant);
      if (last > NOTHING * constant)
        return {
          cause,
          text: withAdvice(
            `It has learned nothing about single rows: the loss has fallen from ${from} to ${to} in ${taken}, but one answer for all rows would have ${same}.`,
          ),
          brief: brief("It has learned nothing."),
          stuck: !early && !straight,
          layers: !other,
          ...bend,
          ...blames,
        };
      return {
        cause,
        text: withAdvice(
          `It learns little: the loss has fallen from ${from} to ${to} in ${taken}, and one answer for all rows would have ${same}.`,
        ),
        brief: brief("It learns little."),
        stuck: !early && !searched && !straight,
        ...bend,
        ...blames,
      };
    }
    const learned = `It learns: the loss has fallen from ${from} to ${to} in ${taken}.`;
    const text = early ? learned : withAdvice(learned),
      well = last < WELL * constant;
    const risen = spoiled ? null : DR.overfitting.lasting(curve, Math.min(constant, first));
    const leap = DR.jumps.leap(losses, Math.min(first, constant), limits);
    if (!risen && leap !== null && !straight) {
      const rather = advised ? turnsOut : `The learning rate of ${learning_rate} is rather high.`;
      const jumps = `${text} But its loss jumps, to ${DR.dom.brief(leap)} lately.`;
      const gist = advised ? blamed.brief : "The rate is rather high.";
      const more = { brief: gist, stuck: false, high: false, unsteady: true, well };
      return { ...blamed, cause: rather, text: jumps, ...more };
    }
    const gist = straight ? brief("") : `It learns: the loss is ${to}.`;
    if (!risen) return { cause: straight ? cause : "", text, brief: gist, stuck: false, well, ...bend };
    const [least, held] = [risen.least, curve[3 * n - 1]].map((loss) => DR.dom.brief(loss));
    return {
      ...bend,
      cause: straight ? cause : "",
      brief: "It learns by heart.",
      text:
        `${text} On the rows held out it was best after epoch ${DR.text.count(risen.epoch)}, ${least}, and has risen ` +
        `since, to ${held}: it learns the training rows by heart. Fewer nodes, more rows or an L2 penalty help.`,
      stuck: false,
      well,
    };
  }

  return { verdict, judgedBy };
})();
DR.verdict = verdictModule;

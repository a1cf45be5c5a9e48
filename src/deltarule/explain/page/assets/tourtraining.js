// @ts-check
// The chapters of the guided tour on training: the mean over samples, one update, many steps.
"use strict";

const tourTrainingModule = (function () {
  const { el, svg, clamp } = DR.dom;
  const { sections } = DR;
  const parts = DR.tourParts;
  const { short, num, plain, name, both, count, say, words, list, product, sumOf } = parts;
  const { look, nodeName, number, direction } = DR.tourChapters;

  const SHOWN = 3; // samples whose derivatives a question lists
  const MOMENTS = 45; // the most states on the curve
  const STEPS = 60; // of the plain rule, where no training was recorded
  const PACE = 140; // milliseconds between two moments that are played
  const BOX = { height: 210, left: 56, right: 14, top: 12, bottom: 38 };

  // -- 5 -------------------------------------------------------------------------------------

  /** The samples that count, with the derivative of each. @param {Page.TourPlace} at @param {Page.EdgeSelection} edge */
  function samplesOf({ store }, { layer, j, k }) {
    const { share, n } = store.rows;
    const [numberOf, symbolOf] = DR.expressions.ofWeight(store, layer, j, k);
    return Array.from({ length: n }, (_, i) => i)
      .filter((i) => share[i] !== 0)
      .map((i) => ({ i, share: share[i], value: numberOf(i), symbol: () => symbolOf(i) }));
  }

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function averaging(at) {
    const { s, store, edge, base } = at;
    const { layer: l, j, k } = edge;
    const own = s.dCdw(l, j, k);
    const all = samplesOf(at, edge);
    // A sample that pulls the other way says most; else the one with the largest derivative.
    const against = all.filter(({ i, value }) => i !== base.sample && value * own.value < 0);
    const others = against.length ? against : all.filter(({ i }) => i !== base.sample);
    const other = others.reduce(
      (/** @type {typeof others[0] | null} */ a, b) => (a && Math.abs(a.value) >= Math.abs(b.value) ? a : b),
      null,
    );
    const mean = s.meanw(l, j, k);
    const { of } = store.rows;
    const cancel = against.length > 0 && Math.abs(mean.value) < Math.abs(own.value) / 4;
    return {
      look: look(at, { selected: edge }),
      body: [
        say`All this was about ${DR.panel.rowName(store, base.sample)}. For it, the derivative by ${name(s.w(l, j, k))} is ${num(own)}: ${wish(own.value)} would be better for this sample alone.`,
        other
          ? say`For ${DR.panel.rowName(store, other.i)} the same steps give ${num(other.symbol())}: there ${wish(other.value)} would be better.${of > 2 ? ` There are ${DR.text.count(of)} samples, each with a derivative of its own.` : ""}`
          : say`There is no other sample that counts here.`,
        say`There is one weight for all of them. The cost C is the mean of the losses, so its derivative is the mean of the derivatives. Each sample counts with its share ω:`,
        sections.mean(
          at,
          "tour-mean",
          DR.expressions.ofWeight(store, l, j, k),
          mean,
          DR.expressions.draw.dCdw(l, j, k, "i"),
        ),
        say`${cancel ? "Samples that pull in opposite directions cancel for the most part. What is left" : "This mean"}, ${num(mean)}, speaks for all samples together: ${mean.value === 0 ? "the cost does not depend on the weight here" : `the cost falls with a ${mean.value > 0 ? "smaller" : "larger"} weight`}.`,
      ],
      question: meanQuestion(at),
    };
  }

  /** @param {number} gradient */
  const wish = (gradient) =>
    gradient > 0 ? "a smaller weight" : gradient < 0 ? "a larger weight" : "no other weight";

  /** On the mean of another derivative. @param {Page.TourPlace} at */
  function meanQuestion(at) {
    const { s, store } = at;
    const { layer: l, j, k } = at.hidden ?? at.edge;
    const mean = s.meanw(l, j, k);
    const all = samplesOf(at, { kind: "edge", layer: l, j, k });
    const sorted = [...all].sort((a, b) => Math.abs(b.share * b.value) - Math.abs(a.share * a.value));
    const few = all.length <= SHOWN && all.length === store.rows.of;
    const listed = few ? all : sorted.slice(0, 1);
    if (!listed.length) return null;
    const rest = few ? 0 : mean.value - listed.reduce((sum, each) => sum + each.share * each.value, 0);
    /** @param {number} at */
    const one = (at) =>
      words`${num(listed[at].symbol())} (${DR.panel.rowName(store, listed[at].i)}, share ${plain(listed[at].share)})`;
    const others = few ? [] : words` All other samples, each times its share, add ${plain(rest)}.`;
    const sum = listed.reduce((total, { value }) => total + value, 0);
    const terms = listed.map(({ share, value }) => [share, value]);
    return number({
      ask: words`The ${listed.length === 1 ? "derivative" : "derivatives"} by ${name(s.w(l, j, k))} ${listed.length === 1 ? "is" : "are"} ${list(listed.length, one)}.${others} What is the derivative of the cost, ${name(mean)}?`,
      answer: mean.value,
      mistakes: [
        { value: sum, hint: "That is the sum. Each derivative counts with its share only." },
        { value: sum + rest, hint: "Multiply the derivative by its share before you add." },
        { value: rest, hint: "One sample is still missing." },
      ],
      hint: ["Multiply each derivative by its share, then add up."],
      worked: [sumOf(few ? terms : [...terms, [rest]])],
      right: mean.value
        ? words`The update goes against this number, not against that of one sample.`
        : words`At 0 the samples together move the weight neither way.`,
    });
  }

  // -- 6 -------------------------------------------------------------------------------------

  /** The update of the state that is shown. @param {Page.Store} store @returns {Page.Update} */
  const updateOf = (store) => /** @type {Page.Update} */ (store.current().update);

  /** The steps of the rule at a weight. @param {Page.TourPlace} at @param {Page.EdgeSelection} edge */
  function followed({ store }, edge) {
    const entry = store.entry(edge);
    const { g } = DR.update.gradientOf(store, updateOf(store), entry);
    const rule = /** @type {{ weight: Page.RuleStep[] }} */ (store.net.formulas.update).weight;
    return { g, rule, after: DR.update.follow(store, updateOf(store), rule, entry, g).after };
  }

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function update(at) {
    const { s, store, edge } = at;
    const { layer: l, j, k } = edge;
    const rate = store.current().learning_rate ?? 0;
    const { g, rule, after } = followed(at, edge);
    const before = s.w(l, j, k).value;
    const costs = nextCosts(at);
    return {
      look: look(at, { selected: edge }),
      body: [
        say`The derivative says in which direction the cost grows. To make it smaller, go the other way: subtract from the weight a part of its derivative. How large a part is called the learning rate η${isPlain(rule) ? [", here ", plain(rate)] : ""}.`,
        isPlain(rule) ? null : say`The rule of this network does more than that, in these steps:`,
        at.plain
          ? say`This page knows no rule by which the network was trained, so here is the plain one.`
          : null,
        DR.update.section(at, edge, s.w(l, j, k), s.meanw(l, j, k)),
        isPlain(rule) ? inNumbers(before, rate, g, after) : null,
        say`The weight ${after === before ? "stays where it is" : `goes ${after > before ? "up" : "down"} a little`}. All ${DR.text.count(store.net.p)} weights${store.net.bias ? " and biases" : ""} of the network are changed like this at the same time. ${costs ? words`The cost goes from ${plain(costs[0])} to ${plain(costs[1])}.` : []}`,
      ],
      question: updateQuestion(at),
    };
  }

  /** @param {number} before @param {number} rate @param {number} g @param {number} after */
  const inNumbers = (before, rate, g, after) =>
    say`In numbers: ${plain(before)} \u2212 ${product([rate, g])} = ${plain(after)}.`;

  /**
   * The cost over all rows before and after the step; null where the page cannot know it.
   *
   * @param {Page.TourPlace} at
   */
  function nextCosts({ store, base }) {
    const { states } = store.payload;
    const { step } = states[base.state];
    const next = step === null ? -1 : states.findIndex((each) => each.step === step + 1);
    const rows = [base.state, next].every((state) => states[state]?.mean) || !store.some();
    if (next >= 0) return rows ? [costOf(store, base.state), costOf(store, next)] : null;
    const rule = store.net.formulas.update?.weight ?? [];
    const { l1, l2, clip_norm: clip } = updateOf(store);
    if (store.some() || !isPlain(rule) || l1 || l2 || clip !== null) return null;
    const after = parts.stepped(store, store.theta(), store.mean().grad, store.current().learning_rate ?? 0);
    return [costOf(store, base.state), parts.costAt(store, after)];
  }

  /** Whether a rule is θ − η g. @param {Page.RuleStep[]} rule */
  const isPlain = (rule) => rule.length === 1 && rule[0].needs.join() === "theta,g,eta";

  /** On the change of another weight. @param {Page.TourPlace} at @returns {Page.TourQuestion | null} */
  function updateQuestion(at) {
    const { s, store } = at;
    const other = at.hidden ?? at.edge;
    const { layer: l, j, k } = other;
    const w = s.w(l, j, k);
    const { g, rule, after } = followed(at, other);
    const change = after - w.value;
    const rate = store.current().learning_rate ?? 0;
    if (!Number.isFinite(change)) return null;
    if (isPlain(rule))
      return number({
        ask: words`The weight ${both(w)} has the derivative ${plain(g)}, and the learning rate is ${plain(rate)}. What is added to the weight? The answer is negative where it becomes smaller.`,
        // The difference of two weights that are nearly equal has lost digits.
        answer: rule[0].f(0, g, rate),
        mistakes: [
          {
            value: g,
            hint: "That is the derivative. Only a part of it is subtracted, the learning rate says which.",
          },
          { value: after, hint: "That is the new weight. By how much does it change?" },
          { value: w.value * rate, hint: "The learning rate multiplies the derivative, not the weight." },
        ],
        hint: ["Multiply the learning rate by the derivative, and mind that the product is subtracted."],
        worked: [`\u2212 ${product([rate, g])}`],
        right: words`The new weight is ${plain(w.value)} ${change < 0 ? "\u2212" : "+"} ${plain(Math.abs(change))} = ${plain(after)}.`,
      });
    return direction(change, ["It goes up", "It goes down", "It stays"], {
      ask: words`The weight ${both(w)} has the derivative ${plain(g)}. Which way does the step move it?`,
      hint: "The step goes the way in which the cost falls: where the derivative is positive, which way is that?",
      right: words`It goes from ${plain(w.value)} to ${plain(after)}.`,
    });
  }

  // -- 7 -------------------------------------------------------------------------------------

  /**
   * The moments of training in order: the recorded states, or steps of the plain rule from the one
   * that is shown, which are added to the tour's own list of states.
   *
   * @param {Page.TourPlace} at @returns {{ recorded: boolean, rate: number, moments: Page.TourMoment[] }}
   */
  function training(at) {
    const { store, base } = at;
    const { states } = store.payload;
    const rate = states[base.state].learning_rate ?? 0;
    if (at.training) return at.training;
    const most = clamp(Math.floor(parts.WORK / parts.workOf(store)), 2, MOMENTS);
    if (states.length > 2) {
      const chosen = Array.from(
        { length: Math.min(most, states.length) },
        (_, i, n = Math.min(most, states.length)) => Math.round((i * (states.length - 1)) / (n - 1)),
      );
      const moments = chosen.map((state) => ({
        state,
        step: states[state].step ?? state,
        cost: costOf(store, state),
      }));
      at.training = { recorded: true, rate, moments };
      return at.training;
    }
    const given = at.plain ? rate : parts.rateThatLowers(store);
    const run = parts.plainRun(store, given, clamp(most, 1, STEPS));
    const added = run.thetas.slice(1).map((theta, i) => ({
      ...states[base.state],
      step: i + 1,
      label: `after ${i + 1} steps`,
      theta: { shape: [theta.length], values: theta },
      update: null,
      mean: null,
    }));
    const first = states.push(...added) - added.length;
    const moments = run.costs.map((cost, step) => ({
      state: step === 0 ? base.state : first + step - 1,
      step,
      cost,
    }));
    at.training = { recorded: false, rate: run.rate, moments };
    return at.training;
  }

  /** Words on the rows that the costs are over, where not all. @param {Page.TourPlace} at @param {Page.TourMoment[]} moments */
  const here = ({ store }, moments) =>
    moments.every(({ state }) => store.payload.states[state].mean) ? "" : store.some();

  /** C at a state: Python's over all rows where the page has it. @param {Page.Store} store @param {number} state */
  function costOf(store, state) {
    const { mean } = store.payload.states[state];
    return mean ? DR.data.array(mean.cost).values[0] : parts.costAt(store, store.theta(state));
  }

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function steps(at) {
    const { recorded, rate, moments } = training(at);
    const first = moments[0];
    const last = /** @type {Page.TourMoment} */ (moments.at(-1));
    const fall = last.cost < first.cost;
    return {
      look: look(at, { state: first.state }),
      body: [
        say`One step changes little. So do it again from the new weights: forward, backward, mean, update. Then again, and again.`,
        recorded
          ? null
          : say`This page has no record of the training, so it takes ${many(moments.length - 1, "step")} itself, with the plain rule and η = ${plain(rate)}.`,
        say`The curve is the cost after each step${here(at, moments)}. Move along it, and see in the drawing how the weights grow and shrink:`,
        player(at, moments),
        say`From step ${short(first.step)} to step ${short(last.step)} the cost ${fall ? "falls" : last.cost > first.cost ? "rises" : "stays the same,"} from ${plain(first.cost)} to ${plain(last.cost)}. ${fall ? "No step looked ahead: each only moved every weight a little against its derivative." : last.cost > first.cost ? "Steps that are too large go past the lowest point." : "Where all derivatives are 0, no step moves anything."}`,
        say`That is all of it: a pass forward, a pass back, a mean and an update, repeated. How far it gets depends on the network, the learning rate and the number of steps.`,
      ],
      question: curveQuestion(moments, flatness(at, recorded)),
    };
  }

  /** @param {number} n @param {string} what */
  const many = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;

  /**
   * The curve of the cost, and a slider along it that moves the drawing.
   *
   * @param {Page.TourPlace} at @param {Page.TourMoment[]} moments
   */
  function player(at, moments) {
    const { store, edge } = at;
    const { layer: l, j, k } = edge;
    const place = el("div", { class: "tour-curve" });
    const reading = el("output", { class: "tour-reading", for: "tour-step" });
    const range = el("input", {
      id: "tour-step",
      type: "range",
      min: 0,
      max: moments.length - 1,
      value: 0,
      step: 1,
      oninput: () => {
        pause();
        show();
      },
    });
    const play = el("button", {
      type: "button",
      class: "button",
      text: "Play",
      onclick: () => (timer ? pause() : start()),
    });
    let timer = 0;
    const pause = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
    };
    function start() {
      if (Number(range.value) === moments.length - 1) range.value = "0";
      play.textContent = "Pause";
      timer = setInterval(() => {
        if (!range.isConnected || Number(range.value) === moments.length - 1) return pause();
        range.value = String(Number(range.value) + 1);
        show();
      }, PACE);
    }
    /** @type {Page.Scale | null} */
    let scale = null;
    const dot = svg("circle", { class: "end", r: 5.5 });
    function draw() {
      const box = DR.plots.fitted(BOX, place, 900);
      scale = DR.plots.axes(
        box,
        moments.map(({ step }) => step),
        moments.map(({ cost }) => cost),
        { xTitle: "step", yTitle: "C", whole: true },
      );
      const d = DR.plots.line(
        moments.map(({ step, cost }) => [step, cost]),
        scale,
      );
      place.replaceChildren(
        svg(
          "svg",
          {
            class: "plot",
            viewBox: `0 0 ${box.width} ${box.height}`,
            role: "img",
            "aria-label": `The cost after each step: ${moments
              .filter((_, i) => i % Math.ceil(moments.length / 8) === 0 || i === moments.length - 1)
              .map(({ step, cost }) => `${short(cost)} after ${step}`)
              .join(", ")}`,
          },
          scale.group,
          svg("path", { class: "line first", d }),
          dot,
        ),
      );
      mark();
    }
    function mark() {
      const { step, cost } = moments[Number(range.value)];
      if (!scale || !Number.isFinite(scale.Y(cost))) return;
      dot.setAttribute("cx", String(scale.X(step)));
      dot.setAttribute("cy", String(scale.Y(cost)));
    }
    function show() {
      const { state, step, cost } = moments[Number(range.value)];
      store.set({ state });
      range.setAttribute("aria-valuetext", `step ${step}, cost ${short(cost)}`);
      const now = DR.expressions.symbols(store);
      reading.replaceChildren(
        ...[
          ...words`After step ${plain(step)}: C = ${plain(cost)}, ${both(now.w(l, j, k))}, and ${nodeName(at, store.net.L, j)} is ${num(now.a(store.net.L, j))} (target ${num(now.y(j))}).`,
        ].filter((part) => part !== null && part !== undefined),
      );
      mark();
    }
    DR.plots.onWidth(place, draw);
    requestAnimationFrame(() => {
      draw();
      show();
    });
    return el(
      "div",
      { class: "tour-player" },
      place,
      el("div", { class: "tour-steps" }, play, el("label", { for: "tour-step", text: "Step" }), range),
      reading,
    );
  }

  /** Why the curve is flat where it is. @param {Page.TourPlace} at @param {boolean} recorded */
  const flatness = ({ store }, recorded) =>
    recorded && !isPlain(store.net.formulas.update?.weight ?? [])
      ? "Where the curve is flat, a step no longer gains much."
      : "A step is the learning rate times the derivative: where the curve is flat, the derivatives are small, and so are the steps.";

  /**
   * Where the curve is steepest: in the first, the second or the last third of the steps.
   *
   * @param {Page.TourMoment[]} moments @param {string} why @returns {Page.TourQuestion | null}
   */
  function curveQuestion(moments, why) {
    if (moments.some(({ cost }) => !Number.isFinite(cost))) return null;
    const first = moments[0];
    const last = /** @type {Page.TourMoment} */ (moments.at(-1));
    if (moments.length < 4 || moments.every(({ cost }) => cost === first.cost))
      return direction(last.cost - first.cost, ["It is higher", "It is lower", "It is the same"], {
        ask: words`Compare the cost at the end of the curve with that at its beginning.`,
        hint: "Move the slider from one end to the other, and read C.",
        right: words`It goes from ${plain(first.cost)} to ${plain(last.cost)}.`,
      });
    const cuts = [0, 1, 2, 3].map((third) => {
      const wanted = first.step + ((last.step - first.step) * third) / 3;
      return moments.reduce((a, b) => (Math.abs(b.step - wanted) < Math.abs(a.step - wanted) ? b : a));
    });
    const spans = [0, 1, 2].map((i) => ({
      from: cuts[i],
      to: cuts[i + 1],
      fall: (cuts[i].cost - cuts[i + 1].cost) / (cuts[i + 1].step - cuts[i].step || Infinity),
    }));
    const answer = spans.reduce((best, { fall }, i) => (fall > spans[best].fall ? i : best), 0);
    return {
      kind: "choice",
      ask: words`Look at the curve. In which part do the steps lower the cost most?`,
      choices: spans.map(({ from, to }) => ({
        text: `From step ${from.step} to step ${to.step}`,
        hint: `There it goes from ${short(from.cost)} to ${short(to.cost)}. Where does the curve fall more?`,
      })),
      answer,
      worked: [],
      right: words`There it goes from ${plain(spans[answer].from.cost)} to ${plain(spans[answer].to.cost)}. ${why}`,
    };
  }

  return { averaging, update, steps };
})();
DR.tourTraining = tourTrainingModule;

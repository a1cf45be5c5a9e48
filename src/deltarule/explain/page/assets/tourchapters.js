// @ts-check
// The chapters of the guided tour on one step: each has sentences, a derivation of the page, what the
// drawing shows meanwhile, and a question. `at` is the place that tourparts.js makes.
"use strict";

const tourChaptersModule = (function () {
  const { el } = DR.dom;
  const { sections } = DR;
  const { short, num, plain, name, both, count, say, words, list, inside, product, sumOf, largest } =
    DR.tourParts;

  const SHOWN = 4; // terms of a sum that a question lists one by one
  const AWAY = 0.2; // from the target: where chapter 1 moves an output to

  /** @param {Page.TourPlace} at @param {number} l @param {number} j */
  const nodeName = (at, l, j) => DR.panel.nodeName(at.store, l, j);
  /** @param {Page.TourPlace} at @param {Partial<Page.View>} [others] @returns {Partial<Page.View>} */
  const look = (at, others = {}) => ({
    ...at.base,
    mode: "sample",
    sweep: null,
    nudge: null,
    colour: "weight",
    selected: null,
    ...others,
  });
  /** "1 row" or "3 rows". @param {number} n @param {string} what */
  const many = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;
  /** @param {string} text */
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  /** The name of an activation, loss or rule without its options. @param {string | null} text */
  const plainName = (text) => DR.plan.plainName(text);

  /**
   * A question on a number; null where the number is not finite.
   *
   * @param {Omit<Page.NumberQuestion, "kind">} given @returns {Page.NumberQuestion | null}
   */
  const number = (given) => (Number.isFinite(given.answer) ? { kind: "number", ...given } : null);

  /**
   * A question on the direction of a change.
   *
   * @param {number} change
   * @param {[up: string, down: string, none: string]} texts
   * @param {{ ask: Page.Child[], hint: string, right: Page.Child[] }} rest
   * @returns {Page.ChoiceQuestion}
   */
  const direction = (change, texts, { ask, hint, right }) => ({
    kind: "choice",
    ask,
    choices: texts.map((text) => ({ text, hint })),
    answer: change > 0 ? 0 : change < 0 ? 1 : 2,
    worked: [],
    right,
  });

  /**
   * The terms of a sum for a question: all of a short one; of a long one the two largest, and what
   * the others add up to.
   *
   * @param {{ factors: number[], value: number }[]} terms
   */
  function split(terms) {
    if (terms.length <= SHOWN) return { listed: terms, others: 0, rest: 0 };
    const sorted = [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const rest = sorted.slice(2).reduce((sum, { value }) => sum + value, 0);
    return { listed: sorted.slice(0, 2), others: terms.length - 2, rest };
  }
  /** @param {ReturnType<typeof split>} terms @returns {Page.Child[]} */
  const worked = ({ listed, others, rest }) => [
    sumOf([...listed.map(({ factors }) => factors), ...(others ? [[rest]] : [])]),
  ];

  /**
   * A button that shows a sum in the drawing once more.
   *
   * @param {Page.TourPlace} at @param {Page.SweepStep} sweep
   */
  const again = ({ store }, sweep) =>
    el("button", {
      type: "button",
      class: "link",
      text: "See in the drawing how it adds up",
      onclick: () => {
        store.set({ sweep: null });
        store.set({ sweep });
      },
    });

  // -- 1 -------------------------------------------------------------------------------------

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function loss(at) {
    const { s, store } = at;
    const { L, widths } = store.net;
    return {
      look: look(at, { selected: { kind: "cost" } }),
      body: [
        say`${capital(many(widths[0], "number"))} ${widths[0] === 1 ? "goes" : "go"} in on the left: ${list(widths[0], (k) => num(s.a(0, k)))}. ${widths[L] === 1 ? "One comes" : `${capital(count(widths[L]))} come`} out on the right: ${list(widths[L], (j) => num(s.a(L, j)))}.`,
        say`The drawing has nodes and lines. A node holds one number. A line is a weight: it multiplies what passes along it. Orange lines are positive weights, dashed blue ones negative, and wide ones large.`,
        say`The numbers are one row of the data, called a sample; here it is ${DR.panel.rowName(store, s.i)}. The data also say what ${widths[L] === 1 ? "the output" : "each output"} should be: ${list(widths[L], (j) => num(s.y(j)))}. This is its target, written y; the output itself is written a. The loss C is one number for how far ${widths[L] === 1 ? "the output is from its target" : "the outputs are from their targets"}:`,
        sections.loss(at),
        say`A small loss is good. To train the network means to change its weights so that the loss gets smaller. The next chapters find out which way each weight has to go.`,
      ],
      question: lossQuestion(at),
    };
  }

  /** @param {Page.TourPlace} at @returns {Page.TourQuestion | null} */
  function lossQuestion({ s, store }) {
    const { net } = store;
    const j = largest(s.pass.terms);
    const a = s.a(net.L, j);
    const y = s.y(j);
    const outputs = Float64Array.from(s.pass.A[net.L]);
    const squared =
      plainName(net.loss) === "squared_error" ? 1 : plainName(net.loss) === "half_squared_error" ? 0.5 : 0;
    // Elsewhere a term needs a logarithm: half of the way to the target is far enough to see it change.
    const moved = squared
      ? Number((y.value + (a.value < y.value ? -AWAY : AWAY)).toPrecision(6))
      : (a.value + y.value) / 2;
    outputs[j] = moved;
    const term = net.formulas.from_output(outputs, store.y(s.i))[0][j];
    const which = words`Output ${String(j)} is ${num(a)} and its target is ${num(y)}.`;
    if (squared) {
      const gap = `${short(moved)} \u2212 ${inside(y.value, 1)}`;
      return number({
        ask: words`${which} Suppose it were ${plain(moved)} instead. What would it add to the loss?`,
        answer: term,
        mistakes: [
          { value: term / squared / AWAY, hint: "That is the difference; the loss takes its square." },
          {
            value: squared === 1 ? term / 2 : term * 2,
            hint: "Look at the formula again: is there a factor before the square?",
          },
          { value: 2 * AWAY, hint: "To square a number is to multiply it by itself, not by 2." },
        ],
        hint: ["Take output minus target, and look at the formula for what is done with the difference."],
        worked: [`${squared === 1 ? "" : "½ · "}(${gap})²`],
        right: words`At ${num(a)} it adds ${plain(s.pass.terms[j])}. The square makes large differences count most.`,
      });
    }
    return direction(term - s.pass.terms[j], ["It would grow", "It would fall", "It would stay the same"], {
      ask: words`${which} Suppose it were ${plain(moved)} instead, half of the way nearer. What would happen to its part of the loss?`,
      hint: "The loss measures how far the outputs are from their targets. Is the new output nearer or farther?",
      right: words`Its part of the loss would go from ${plain(s.pass.terms[j])} to ${plain(term)}.`,
    });
  }

  // -- 2 -------------------------------------------------------------------------------------

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function forward(at) {
    const { s, store } = at;
    const drawn = DR.plan.nodesOf(store)[1];
    const told = drawn.at(-2) ?? drawn[0];
    const asked = drawn.at(-1) ?? told;
    const L = store.net.L;
    const g = plainName(store.net.activations[1]);
    const shown = sections.activation(at, 1, told);
    /** @type {Page.SweepStep} */
    const sweep = { direction: "forward", layer: 1, node: told };
    return {
      look: look(at, { selected: { kind: "node", layer: 1, j: told }, sweep }),
      body: [
        say`How does the network get from its inputs to its outputs? Every node does the same two things. Take ${nodeName(at, 1, told)}; nodes are counted from 0.`,
        say`First it multiplies each number on its left by the weight of the line between them, and adds up${store.net.b[1] === null ? "" : ", its bias included"}. The sum is called z:`,
        sections.weighted(at, 1, told),
        again(at, sweep),
        g === "identity"
          ? say`Then a function called the activation is applied to z. Here it is the identity, which changes nothing:`
          : say`Then a function called the activation, here ${g}, turns z into the number a that the node passes on. Without its bend, many layers could do no more than a single one:`,
        shown,
        say`So this node holds ${num(s.a(1, told))}. ${L === 1 ? "The nodes of this layer are the outputs already." : "The nodes of the next layer do the same with the numbers of this one, and so on to the outputs."} This is the forward pass.`,
      ],
      question: told === asked ? shiftedQuestion(at, asked) : sumQuestion(at, asked),
    };
  }

  /** @param {Page.TourPlace} at @param {number} j @returns {Page.TourQuestion | null} */
  function sumQuestion(at, j) {
    const { s, store } = at;
    const inputs = s.pass.A[0];
    const terms = Array.from(inputs, (x, k) => ({
      factors: [x, s.w(1, j, k).value],
      value: x * s.w(1, j, k).value,
    }));
    const bias = store.net.b[1] === null ? 0 : s.b(1, j).value;
    const parts = split(terms);
    const answer = s.pass.Z[1][j];
    /** @param {number} i @returns {Page.Child[]} */
    const line = (i) => {
      const [x, w] = parts.listed[i].factors;
      return words`from ${plain(x)} with the weight ${plain(w)}`;
    };
    const others = parts.others ? words` All its other lines together add ${plain(parts.rest)}.` : [];
    const biased = store.net.b[1] === null ? [] : words` Its bias is ${plain(bias)}.`;
    const signless = terms.reduce((sum, { value }) => sum + Math.abs(value), Math.abs(bias));
    return number({
      marks: [`node:1,${j}`, ...terms.map((_, k) => `edge:1,${j},${k}`)],
      ask: words`${capital(nodeName(at, 1, j))} has ${parts.others ? "among others these lines" : "these lines"}: ${list(parts.listed.length, line)}.${others}${biased} What is its z?`,
      answer,
      mistakes: [
        {
          value: s.pass.A[1][j],
          hint: "That is a, after the activation. The question is about the sum z itself.",
        },
        { value: signless, hint: "Mind the signs: a negative times a positive number is negative." },
        { value: answer - bias, hint: "The bias is missing." },
        { value: answer - parts.rest, hint: "The other lines are missing." },
      ],
      hint: ["Multiply each input by the weight of its line, mind the signs, and add up."],
      worked: [...worked(parts), store.net.b[1] === null ? "" : ` + ${inside(bias, 1)}`],
      right: words`The activation then makes ${plain(s.pass.A[1][j])} of it.`,
    });
  }

  /** The question for a layer of one node. @param {Page.TourPlace} at @param {number} j */
  function shiftedQuestion({ s }, j) {
    const k = largest(s.pass.A[0]);
    const w = s.w(1, j, k);
    const z = s.z(1, j);
    return number({
      ask: words`Suppose input ${String(k)} were larger by 1. Its line has the weight ${num(w)}. What would z be?`,
      answer: z.value + w.value,
      mistakes: [
        { value: w.value, hint: "That is by how much z changes. What is z then?" },
        { value: z.value + 1, hint: "The 1 is multiplied by the weight before it is added." },
      ],
      hint: ["All other terms of the sum stay. How much is added to them?"],
      worked: [`${short(z.value)} + ${inside(w.value, 1)} · 1`],
      right: words`A change of an input reaches z times the weight.`,
    });
  }

  // -- 3 -------------------------------------------------------------------------------------

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function factors(at) {
    const { s, edge } = at;
    const { layer: l, j, k } = edge;
    const own = s.dCdw(l, j, k);
    const mixed = sections.mixes(at, l);
    const first = mixed
      ? [
          el(
            "li",
            {},
            ...words`z moves ${num(s.a(l - 1, k))} times as much as the weight, because the weight multiplies that number.`,
          ),
          el(
            "li",
            {},
            ...words`The loss moves ${num(s.delta(l, j))} times as much as z. This is called δ; it counts in that every output depends on every z of the layer.`,
          ),
        ]
      : [
          el(
            "li",
            {},
            ...words`z moves ${num(s.a(l - 1, k))} times as much as the weight, because the weight multiplies that number.`,
          ),
          el(
            "li",
            {},
            ...words`a moves ${num(s.slope(l, j))} times as much as z. This is the slope of the activation.`,
          ),
          el("li", {}, ...words`The loss moves ${num(s.dCda(l, j))} times as much as a.${above(at)}`),
        ];
    const nudge = 0.01;
    return {
      look: look(at, { selected: edge }),
      body: [
        say`Take one weight, ${both(s.w(l, j, k))}. It is the marked line, to ${nodeName(at, l, j)} from ${nodeName(at, l - 1, k)}: its name has the layer above, and below first where it leads to, then where it comes from. What does the loss do when this weight grows a little?`,
        say`The change passes along a chain:`,
        el("ol", { class: "tour-chain" }, ...first),
        say`Along a chain such rates multiply. That is the chain rule; the formula has the rates from right to left:`,
        DR.panel.factors(at, l, j, k, own),
        say`The product is the derivative of the loss by this weight. Make the weight larger by ${plain(nudge)}, and the loss changes by about ${plain(nudge * own.value)}. ${signOf(own.value)}`,
      ],
      question: siblingQuestion(at),
    };
  }

  /** Why the loss moves as it does with an output, for losses of the difference. @param {Page.TourPlace} at */
  function above({ s, edge: { layer: l, j } }) {
    const difference = s.a(l, j).value - s.y(j).value;
    const up = s.dCda(l, j).value;
    if (difference * up <= 0) return "";
    return difference < 0
      ? " It falls as a rises, because a is below its target."
      : " It rises with a, because a is above its target.";
  }

  /** @param {number} gradient */
  const signOf = (gradient) =>
    gradient > 0
      ? "It is positive, so a smaller weight would lower the loss."
      : gradient < 0
        ? "It is negative, so a larger weight would lower the loss."
        : "It is 0, so at this point the loss does not depend on the weight.";

  /** On another weight to the same node, which shares all factors but the last. @param {Page.TourPlace} at */
  function siblingQuestion(at) {
    const { s, store, edge } = at;
    const { layer: l, j, k } = edge;
    const delta = s.delta(l, j);
    const numbers = Float64Array.from(s.pass.A[l - 1], (a, i) => (i === k ? 0 : a));
    const other = store.net.widths[l - 1] > 1 ? largest(numbers) : k;
    if (other === k) {
      const nudge = 0.1;
      return number({
        ask: words`Suppose the weight grew by ${plain(nudge)}. By how much would the loss change, about?`,
        answer: nudge * s.dCdw(l, j, k).value,
        mistakes: [
          { value: s.dCdw(l, j, k).value, hint: "That is the change for each whole unit of the weight." },
        ],
        hint: ["The derivative says by how much the loss changes for each unit of the weight."],
        worked: [product([nudge, s.dCdw(l, j, k).value])],
        right: s.dCdw(l, j, k).value
          ? words`It is only about right, because the derivative itself changes along the way.`
          : words`The derivative is 0, so a small change of the weight changes the loss hardly or not at all.`,
      });
    }
    const answer = delta.value * s.pass.A[l - 1][other];
    const w = s.w(l, j, other);
    return number({
      marks: [`edge:${l},${j},${other}`],
      ask: words`Another weight, ${name(w)}, leads to the same node, from ${nodeName(at, l - 1, other)}, which holds ${num(s.a(l - 1, other))}. ${sections.mixes(at, l) ? "δ of the node stays the same," : "The slope and the last rate are those of the same node; their product is called δ,"} ${both(delta)}. What is the derivative of the loss by this other weight?`,
      answer,
      mistakes: [
        {
          value: s.dCdw(l, j, k).value,
          hint: "That is the derivative by the weight above. The number that this weight multiplies is another one.",
        },
        {
          value: delta.value * w.value,
          hint: "The rate from the weight to z is what the weight multiplies, not the weight itself.",
        },
      ],
      hint: ["Only the first rate of the chain is different: what does this weight multiply?"],
      worked: [product([delta.value, s.pass.A[l - 1][other]])],
      right: words`All weights to a node share its δ. So δ is computed once for each node, and a single product then gives each derivative.`,
    });
  }

  // -- 4 -------------------------------------------------------------------------------------

  /** @param {Page.TourPlace} at @returns {Page.TourChapter} */
  function hidden(at) {
    const { s, store, edge } = at;
    const l = edge.layer - 1;
    const node = edge.k;
    const n = store.net.widths[edge.layer];
    const up = s.dCda(l, node);
    const before = at.hidden;
    /** @type {Page.SweepStep | null} */
    const sweep = l > 0 ? { direction: "backward", layer: l, node, meant: before } : null;
    const ways = n === 1 ? "there is one way" : `there are ${count(n)} ways`;
    return {
      look: look(at, { selected: { kind: "node", layer: l, j: node }, sweep }),
      body: [
        l > 0
          ? say`Now a weight further to the left, ${before ? both(s.w(l, node, before.k)) : ""}. ${before ? "Its line is marked: it" : "It"} leads to ${nodeName(at, l, node)}, marked too, which has no target of its own. Two rates of its chain are found as before. But how does the loss move with ${both(s.a(l, node))}?`
          : say`This network has no hidden layer. But how does the loss move with one of its inputs, ${both(s.a(0, node))}? It has no target of its own.`,
        say`It feeds ${n === 1 ? "the one node" : n === 2 ? "both nodes" : `all ${count(n)} nodes`} on its right, so ${ways} from it to the loss. Along each way the rate is δ of the node at the other end times the weight of the line. All ways count, so they are added${sweep ? " (the drawing has the sum in the dark box beside the node)" : ""}; j counts them:`,
        sections.upstream(at, l, node),
        sweep ? again(at, sweep) : null,
        ...(before ? [hiddenProduct(at, before, up)] : []),
        say`${l > 1 ? "One layer further left the same sum is taken again, with the δ just found, and so on to the first layer." : "In a deeper network the same sum is taken again for each layer further left."} This is backpropagation: one pass from right to left gives the derivative by every weight.`,
      ],
      question: waysQuestion(at, l, node),
    };
  }

  /** @param {Page.TourPlace} at @param {Page.EdgeSelection} before @param {Page.Symbol} up */
  function hiddenProduct({ s }, { layer, j, k }, up) {
    const three = [up.value, s.slope(layer, j).value, s.a(layer - 1, k).value];
    return say`So the derivative of the loss by this weight is ${name(up)} times the slope times the number that the weight multiplies: ${product(three)} = ${num(s.dCdw(layer, j, k))}. ${signOf(s.dCdw(layer, j, k).value)}`;
  }

  /** On another node of the same layer. @param {Page.TourPlace} at @param {number} l @param {number} told */
  function waysQuestion(at, l, told) {
    const { s, store, edge } = at;
    const rates = Float64Array.from(s.pass.up[l], (value, i) => (i === told ? 0 : value));
    const asked = store.net.widths[l] > 1 ? largest(rates) : told;
    const n = store.net.widths[edge.layer];
    const terms = Array.from({ length: n }, (_, j) => {
      const both = [s.delta(edge.layer, j).value, s.w(edge.layer, j, asked).value];
      return { factors: both, value: both[0] * both[1] };
    });
    const answer = s.pass.up[l][asked];
    const parts = split(terms);
    /** @param {number} i @returns {Page.Child[]} */
    const way = (i) =>
      words`δ = ${plain(parts.listed[i].factors[0])} with the weight ${plain(parts.listed[i].factors[1])}`;
    const others = parts.others ? words` All other ways together add ${plain(parts.rest)}.` : [];
    const most = parts.listed.reduce((a, b) => (Math.abs(b.value) > Math.abs(a.value) ? b : a));
    return number({
      marks: [`node:${l},${asked}`, ...terms.map((_, j) => `edge:${edge.layer},${j},${asked}`)],
      ask: words`From ${nodeName(at, l, asked)} ${n === 1 ? "the one way to the right has" : "the ways to the right have"} ${list(parts.listed.length, way)}.${others} What is ${name(s.dCda(l, asked))}?`,
      answer,
      mistakes: [
        { value: answer / n, hint: "The ways are added up. There is no mean over them." },
        { value: most.value, hint: n === 1 ? "" : "That is one way only. All ways count." },
        { value: up(s, l, told), hint: "That is the sum of the node above. This node has other weights." },
      ].filter(({ hint }) => hint),
      hint: ["For each way multiply δ by the weight, then add up the products with their signs."],
      worked: worked(parts),
      right:
        n === 1
          ? words`With one node on the right, the sum has one term.`
          : waysCount(terms.filter(({ value }) => value !== 0).length, n),
    });
  }

  /** What it means to leave out a way; one with a factor 0 adds nothing. @param {number} some @param {number} n */
  function waysCount(some, n) {
    if (some === n)
      return words`A sum that leaves out one of the ${count(n)} ways would be wrong, and so would every derivative further left.`;
    if (!some)
      return words`Each of the ${count(n)} ways has a factor 0 here, so the loss does not depend on this node.`;
    return words`${capital(count(some))} of the ${count(n)} ways ${some === 1 ? "counts" : "count"} here: the ${n - some === 1 ? "other has" : "others have"} a factor 0 and ${n - some === 1 ? "adds" : "add"} nothing. A sum that leaves out a way that counts would be wrong, and so would every derivative further left.`;
  }

  /** @param {Page.Symbols} s @param {number} l @param {number} j */
  const up = (s, l, j) => s.pass.up[l][j];

  return { look, nodeName, number, direction, capital, signOf, loss, forward, factors, hidden };
})();
DR.tourChapters = tourChaptersModule;

// @ts-check
// The parts of the answer on a row of a table (answer.js) as elements: the prediction, bars for its
// columns, predictions with other cells, the error.
"use strict";

const answerPartsModule = (function () {
  const { el } = DR.dom;
  const { aligned, signed, short, asRead } = DR.answer;
  const { SHEET } = DR.dock;
  const LISTED = { wide: 8, narrow: 5 }; // columns
  const listed = () => (SHEET.matches ? LISTED.narrow : LISTED.wide);
  const START = "the start: average numbers, no levels";
  const LEFT = "left over, since the parts are approximate";
  const ABOUT =
    "A part compares with the start, which is no real row. It is added up on the way from there to this row, " +
    "so one part may be larger than any change of the prediction, and others take it back. " +
    "It does not say what another cell would change, and a model that predicts the same may have other parts. " +
    "The numbers are rounded, and add up but for that.";

  /**
   * A number of the answer; `name` says which, for tests.
   *
   * @param {string} name @param {number} value @param {string} text @param {string} [unit]
   */
  const number = (name, value, text, unit = "") =>
    el(
      "span",
      { class: "answer-number" },
      el("span", { "data-answer": name, "data-value": String(value), text }),
      unit,
    );

  /** @param {Page.Cell | undefined} cell */
  function cellText(cell) {
    if (cell === null || cell === undefined) return "missing";
    return typeof cell === "number" ? asRead(cell) : DR.dom.apart(String(cell));
  }

  /** @param {string} label @param {Page.Child[]} children */
  const fact = (label, ...children) => el("div", {}, el("dt", { text: label }), el("dd", {}, ...children));

  /** A label of the table: a name, which may be long. @param {string | number} name */
  const labelled = (name) => el("span", { class: "answer-label", text: DR.dom.apart(String(name)) });

  /** @param {number} share */
  const percent = (share) => aligned([100 * share], 3)[0];

  /** What is predicted of which row. @param {Page.Store} store */
  function titleOf(store) {
    const { answer, names } = store.payload;
    const { target } = /** @type {Page.TableAnswer} */ (answer);
    return `${DR.dom.apart(target)} of row ${DR.dom.apart(names.rows[store.state.sample])}`;
  }

  /**
   * The prediction, the table's cell, and how they compare.
   *
   * @param {string} title @param {Page.Said} said
   * @param {number | null} share the probability of the table's class, where that is known
   * @param {string} [who] before the names of the numbers
   */
  function headline(title, said, share, who = "") {
    const { predicted, actual, value, isNumber } = said;
    const head = el("h3", { class: "answer-title", text: title });
    if (isNumber) {
      const gap = value - Number(actual);
      const verdict = gap
        ? [number(`${who}gap`, Math.abs(gap), short(Math.abs(gap))), ` too ${gap > 0 ? "high" : "low"}`]
        : ["equal"];
      return [
        head,
        el(
          "dl",
          { class: "answer-facts" },
          fact("predicted", number(`${who}predicted`, value, short(value))),
          fact("in the table", number(`${who}actual`, Number(actual), asRead(Number(actual)))),
          fact("so it is", ...verdict),
        ),
      ];
    }
    const right = predicted === actual;
    const other = right ? null : share;
    return [
      head,
      el(
        "dl",
        { class: "answer-facts" },
        fact("predicted", labelled(predicted), " ", number(`${who}value`, value, percent(value), " %")),
        fact(
          "in the table",
          labelled(actual),
          other === null ? "" : " ",
          other === null ? "" : number(`${who}actual-probability`, other, percent(other), " %"),
        ),
        fact(
          "so it is",
          el("span", { class: right ? "answer-right" : "answer-wrong", text: right ? "✓ right" : "✗ wrong" }),
        ),
      ),
    ];
  }

  /**
   * The interval of a number's prediction, and where the table's number lies to it, as in a terminal.
   *
   * @param {[low: number, high: number]} interval @param {number} actual
   */
  const intervalWords = ([low, high], actual) =>
    el(
      "p",
      { class: "note", "data-interval": "" },
      "The 90 % interval, such as holds nine of ten new rows, is ",
      number("interval low", low, short(low)),
      " to ",
      number("interval high", high, short(high)),
      Number.isNaN(actual)
        ? "."
        : `; the table’s number is ${actual > high ? "above" : actual < low ? "below" : "in"} it.`,
    );

  /** @param {Page.Store} store @param {Page.Predicted | { isNumber: boolean, predicted: string | number }} found */
  const unitWords = (store, { isNumber, predicted }) =>
    isNumber
      ? `in the unit of ${DR.dom.apart(/** @type {Page.TableAnswer} */ (store.payload.answer).target)}`
      : `in percentage points of the probability of ${DR.dom.apart(String(predicted))}`;

  /**
   * The start, the parts of the columns as bars, and the prediction that they add up to.
   *
   * @param {Page.ColumnPart[]} parts @param {number} start @param {number} value @param {number} scale 100 for percent
   */
  function bars(parts, start, value, scale) {
    const shown = parts.slice(0, listed());
    const rest = parts.slice(listed());
    const others = rest.reduce((total, { part }) => total + part, 0);
    const lines = [
      ...shown.map(({ name, cell, part }) => ({ name, cell: cellText(cell), part })),
      ...(rest.length
        ? [{ name: `${rest.length} other column${rest.length > 1 ? "s" : ""}`, cell: "", part: others }]
        : []),
    ];
    const left = lines.reduce((rest, { part }) => rest - part, value - start);
    const texts = aligned(
      [start, ...lines.map(({ part }) => part), left, value].map((x) => scale * x),
      5,
    );
    const leftText = texts[texts.length - 2];
    const isSeen = /[1-9]/.test(leftText);
    const most = Math.max(...lines.map(({ part }) => Math.abs(part)), 0) || 1;
    const rows = lines.map(({ name, cell, part }, at) => {
      const width = (50 * Math.abs(part)) / most;
      const style = `left: ${part < 0 ? 50 - width : 50}%; width: ${width}%`;
      return el(
        "tr",
        {},
        el(
          "th",
          { scope: "row" },
          el("span", { text: DR.dom.apart(name) }),
          " ",
          el("span", { class: "answer-cell", text: cell }),
        ),
        el(
          "td",
          { class: "lens-way", "aria-hidden": "true" },
          el("span", { class: part < 0 ? "negative" : "positive", style }),
        ),
        el("td", { class: "lens-number" }, number(`part ${name}`, scale * part, signed(texts[at + 1]))),
      );
    });
    /** @param {string} name @param {string} words @param {number} x @param {string} text */
    const end = (name, words, x, text) =>
      el(
        "tr",
        { class: "answer-end" },
        el("th", { scope: "row", colspan: 2, text: words }),
        el("td", { class: "lens-number" }, number(name, scale * x, text)),
      );
    return el(
      "table",
      { class: "lens-table lens-attributions signed answer-parts" },
      el(
        "tbody",
        {},
        end("start", START, start, texts[0]),
        ...rows,
        ...(isSeen ? [end("left", LEFT, left, signed(leftText))] : []),
        end("total", "together, the prediction", value, texts[texts.length - 1]),
      ),
    );
  }

  /** Which class is predicted, and what comes next. @param {Page.Said["second"]} second */
  const rule = (second) =>
    second
      ? [
          `Of the ${second.classes} classes the one of the largest probability is predicted; the second is `,
          labelled(DR.dom.cut(second.name, 24)),
          " with ",
          number("second", second.value, percent(second.value), " %. "),
        ]
      : ["Of the two classes the one with a probability above 50 % is predicted. "];

  /** Which of the cells that were tried would have changed the class. @param {Page.CellChange[]} changes @param {Page.Said} said */
  function decision(changes, { predicted, second }) {
    const tried = changes.flatMap(({ name, values }) => values.map((each) => ({ name, ...each })));
    if (!tried.some((each) => each.predicted !== undefined)) return null;
    const turned = changes.flatMap(({ name, values }) => {
      const cells = values.filter((each) => each.predicted !== predicted).map(({ cell }) => cellText(cell));
      return cells.length ? [`${DR.dom.apart(name)}: ${cells.join(", ")}`] : [];
    });
    const rest = turned.length - listed();
    const more = rest > 0 ? `; and some of ${rest} more columns` : "";
    return el(
      "p",
      { class: "note", "data-decision": "" },
      ...rule(second),
      `Of ${tried.length} other cells tried, one at a time, `,
      el("strong", {
        text: turned.length
          ? `these would have changed the decision: ${turned.slice(0, listed()).join("; ")}${more}.`
          : "none would have changed the decision.",
      }),
    );
  }

  /**
   * What the prediction would be with other cells.
   *
   * @param {Page.CellChange[]} changes @param {Page.Said} said
   */
  function others(changes, said) {
    const { value, predicted, isNumber } = said;
    const scale = isNumber ? 1 : 100;
    const shown = changes.slice(0, listed());
    const values = shown.flatMap((change) => change.values.map((each) => scale * each.value));
    const [now, ...texts] = aligned([scale * value, ...values], 4);
    const unit = scale === 100 ? " %" : "";
    let at = 0;
    const items = shown.map(({ name, cell, values: tried }) =>
      el(
        "div",
        {},
        el(
          "dt",
          {},
          el("span", { text: DR.dom.apart(name) }),
          el("span", { class: "answer-cell", text: ` now ${cellText(cell)}` }),
        ),
        el(
          "dd",
          {},
          ...tried.map(({ cell: other, value: then, predicted: label }) => {
            const turns = label !== undefined && label !== predicted;
            return el(
              "span",
              { class: turns ? "answer-try turns" : "answer-try" },
              `${cellText(other)} → `,
              number(`with ${name}=${other}`, scale * then, texts[at++], unit),
              turns ? `, so ${DR.dom.apart(DR.dom.cut(label, 24))}` : "",
            );
          }),
        ),
      ),
    );
    return [
      decision(changes, said),
      el(
        "p",
        { class: "note" },
        "And all else the same, in place of ",
        number("now", scale * value, now, unit),
        ":",
      ),
      el("dl", { class: "answer-changes" }, ...items),
    ];
  }

  /** The error of the row among those of the table. @param {Page.Store} store @param {Page.Predicted} found */
  function errorWords(store, found) {
    const { answer, reference } = store.payload;
    const loss = store.pass().loss;
    const known = !store.changed && store.state.state === reference.state && answer;
    const i = store.state.sample;
    // The rows that it is compared with, where their losses are known: those of its own part of the training.
    const like = known ? known.compared[known.parts?.[i] ?? ""] : null;
    const larger = known ? known.larger[i] : null;
    const average = like ? Number(like.mean) : store.mean().cost;
    const [mean, own] = [average, loss].map((x) => DR.dom.brief(x, 4));
    const words =
      larger === null || !like || like.rows < 2
        ? [""]
        : larger
          ? [
              " ",
              number("larger", larger, DR.text.count(larger)),
              ` of them ${larger === 1 ? "has" : "have"} a larger one.`,
            ]
          : [" No other of them has a larger one."];
    const typical = like && like.typical !== null ? Number(like.typical) : null;
    const which = like ? `the ${DR.text.count(like.rows)} ${like.words}` : "the rows";
    return el(
      "p",
      { class: "answer-loss" },
      `Its loss (${store.net.loss_words}${found.isNumber ? ", of the network’s scaled target" : ""}) is `,
      number("loss", loss, own),
      `; the mean over ${which} is `,
      number("mean_loss", average, mean),
      like ? "." : `${store.mean().costOver}.`,
      ...words,
      ...(typical !== null && found.isNumber
        ? [
            " A typical error (root mean square) is ",
            number("typical_error", typical, aligned([typical])[0]),
            ".",
          ]
        : []),
    );
  }

  return { ABOUT, titleOf, headline, intervalWords, unitWords, bars, others, errorWords };
})();
DR.answerParts = answerPartsModule;

// A sum written out: its largest terms, one line for the rest, and the total.
//
// What is left out is always named and added up, so that the sum on the page stays exact.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const { el } = DR.dom;
  const M = DR.maths;
  const SHOWN = 6;
  const MORE = 24;

  /** One term: its factors as symbols, as numbers, and what they come to. */
  function line(term, scale, pairs) {
    const [dot, times] = pairs ? [",", ", "] : ["·", " × "];
    const factors = term.factors();
    const symbols = factors.flatMap((factor, at) => (at ? [dot, M.symbol(factor)] : [M.symbol(factor)]));
    const numbers = factors.flatMap((factor, at) => (at ? [times, M.value(factor)] : [M.value(factor)]));
    const size = scale > 0 ? Math.min(1, Math.abs(term.value) / scale) : 0;
    return el(
      "li",
      { class: term.value < 0 ? "term negative" : "term" },
      el("span", { class: "factors" }, M.math(symbols, { block: false })),
      el(
        "span",
        { class: "numbers" },
        ...(factors.length > 1 ? numbers : []),
        term.note ? el("span", { class: "note", text: ` ${term.note}` }) : null,
      ),
      el(
        "span",
        { class: "size", "aria-hidden": "true" },
        el("i", { style: `inline-size: ${(100 * size).toFixed(1)}%` }),
      ),
      el("span", { class: "result", text: DR.number(term.value) }),
    );
  }

  /**
   * The list of a sum's terms.
   *
   * @param terms {value, factors, note}: factors() gives the symbols whose product the term is; of
   *   thousands of terms only those that are shown are asked for them
   * @param total the symbol the sum equals; without one, only its number is shown
   * @param others {count, value}: rows that are not in this page, and what they add
   * @param pairs whether a term is a function of what is listed and not its product
   * @param open how many are shown at first; `more(n)` is told when a reader asks for more
   */
  function list(terms, total, { open = SHOWN, more = () => {}, names = "terms", pairs = false, others = null } = {}) {
    const sorted = terms.map((term, at) => [term, at]);
    sorted.sort(([a, i], [b, j]) => Math.abs(b.value) - Math.abs(a.value) || i - j);
    const scale = sorted.length ? Math.abs(sorted[0][0].value) : 0;
    const box = el("div", { class: "sum-list" });

    function draw(count) {
      const shown = sorted.slice(0, count);
      const rest = sorted.slice(count);
      const remainder = rest.reduce((sum, [term]) => sum + term.value, 0);
      const items = shown.map(([term]) => line(term, scale, pairs));
      const lines = el("ol", { class: "terms" }, ...items);
      if (rest.length) {
        lines.append(
          el(
            "li",
            { class: "term rest" },
            el("span", { text: `${DR.text.count(rest.length)} further ${names}, together` }),
            el("span", { class: "result", "data-rest": String(remainder), text: DR.number(remainder) }),
          ),
        );
      }
      if (others) {
        const text = `the ${DR.text.count(others.count)} rows that are not in this page, together`;
        lines.append(
          el(
            "li",
            { class: "term rest" },
            el("span", { text }),
            el("span", {
              class: "result", "data-others": String(others.value), text: DR.number(others.value),
            }),
          ),
        );
      }
      if (total) {
        lines.append(
          el(
            "li",
            { class: "term total" },
            el("span", { class: "factors" }, M.math([M.symbol(total)], { block: false }),
              total.over ? el("span", { class: "note", text: ` ${total.over}` }) : null),
            el("span", { class: "result" }, "= ", M.value(total)),
          ),
        );
      }
      box.replaceChildren(lines);
      if (rest.length) {
        const next = Math.min(MORE, rest.length);
        box.append(
          el("button", {
            type: "button",
            class: "link",
            text: `Show ${next} more`,
            onclick: () => {
              more(count + next);
              draw(count + next);
              box.querySelector("button, .total math")?.focus();
            },
          }),
        );
      }
    }

    draw(open);
    return box;
  }

  DR.sums = { list };
})();

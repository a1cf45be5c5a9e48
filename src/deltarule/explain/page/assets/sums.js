// @ts-check
// A sum written out: its largest terms, one line for the other terms together, and the total. All
// terms are accounted for, so that the sum on the page is exact.
"use strict";

const sumsModule = (function () {
  const { el } = DR.dom;
  const M = DR.maths;
  const SHOWN = 6;
  const MORE = 24;

  /**
   * One term: its factors as symbols, as numbers, and their product.
   *
   * @param {Page.Term} term @param {number} scale @param {boolean} pairs
   */
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
   * The list of a sum's terms, the largest first.
   *
   * Options: `open` terms are shown at first; `more(n)` is called when a reader asks to see n of
   * them. `others` are rows that are not in this page: how many, and their sum. With `pairs` a term
   * is a function of its factors and not their product.
   *
   * @param {Page.Term[]} terms `factors` is called for the terms that are shown only
   * @param {Page.Symbol | null} total the symbol that equals the sum; null: the sum is not shown
   * @param {{ open?: number, more?: (n: number) => unknown, names?: string, pairs?: boolean,
   *   others?: { count: number, value: number } | null }} [options]
   */
  function list(
    terms,
    total,
    { open = SHOWN, more = () => {}, names = "terms", pairs = false, others = null } = {},
  ) {
    const sorted = terms.map((term, at) => ({ term, at }));
    sorted.sort((a, b) => Math.abs(b.term.value) - Math.abs(a.term.value) || a.at - b.at);
    const scale = sorted.length ? Math.abs(sorted[0].term.value) : 0;
    const box = el("div", { class: "sum-list" });

    /** @param {number} count */
    function draw(count) {
      const shown = sorted.slice(0, count);
      const rest = sorted.slice(count);
      const remainder = rest.reduce((sum, { term }) => sum + term.value, 0);
      const items = shown.map(({ term }) => line(term, scale, pairs));
      const label = `The ${names}; arrow keys go from one to the next`;
      const lines = el("ol", { class: "terms", tabindex: 0, "aria-label": label }, ...items);
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
              class: "result",
              "data-others": String(others.value),
              text: DR.number(others.value),
            }),
          ),
        );
      }
      if (total) {
        lines.append(
          el(
            "li",
            { class: "term total" },
            el(
              "span",
              { class: "factors" },
              M.math([M.symbol(total)], { block: false }),
              total.over ? el("span", { class: "note", text: ` ${total.over}` }) : null,
            ),
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
              /** @type {HTMLElement | MathMLElement | null} */
              const reached = box.querySelector("button, .total math");
              reached?.focus();
            },
          }),
        );
      }
    }

    draw(open);
    return box;
  }

  return { list };
})();
DR.sums = sumsModule;

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
    const numbers = factors.flatMap((factor, at) => {
      const value = M.value(factor);
      // A negative factor after another one is in brackets.
      const bracketed = at > 0 && !pairs && value.textContent.startsWith(DR.text.MINUS);
      return [...(at ? [times] : []), ...(bracketed ? ["(", value, ")"] : [value])];
    });
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
   * The terms of a sum in one formula of numbers: all in their order, or the largest of many and
   * what the others add together.
   *
   * @param {Page.Term[]} terms @param {Set<Page.Term>} largest those that are written out
   * @param {Page.Symbol} total @param {number} [others] what is added to the terms
   */
  function inNumbers(terms, largest, total, others = 0) {
    const there = terms.filter((term) => term.value !== 0);
    const shown = there.filter((term) => largest.has(term));
    const rest = there.filter((term) => !largest.has(term));
    /** @type {Page.Piece[]} */
    const pieces = ["="];
    /** @param {number} value @param {string} [words] */
    const add = (value, words = "") => {
      const first = pieces.length === 1;
      if (!first) pieces.push(value < 0 ? DR.text.MINUS : "+");
      pieces.push(M.number(first ? value : Math.abs(value)));
      if (words) pieces.push(M.words(words));
    };
    for (const term of shown) add(term.value);
    if (rest.length) {
      const sum = rest.reduce((all, term) => all + term.value, 0);
      add(sum, `\u00a0(${DR.text.count(rest.length)} more)`);
    }
    if (others) add(others, "\u00a0(other rows)");
    if (pieces.length < 4) return null; // a sum of one term
    return el("div", { class: "sum-numbers" }, M.formula([pieces, ["=", M.figure(total)]]));
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
    // Terms that are exactly 0 are one line together, unless there is only one.
    const zero = terms.filter((term) => term.value === 0).length;
    const zeros = zero > 1 ? zero : 0;
    const there = zeros ? terms.filter((term) => term.value !== 0) : terms;
    const sorted = there.map((term, at) => ({ term, at }));
    sorted.sort((a, b) => Math.abs(b.term.value) - Math.abs(a.term.value) || a.at - b.at);
    const scale = sorted.length ? Math.abs(sorted[0].term.value) : 0;
    const box = el("div", { class: "sum-list" });
    const largest = new Set(sorted.slice(0, SHOWN).map(({ term }) => term));
    const numbers = total && inNumbers(terms, largest, total, others?.value);

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
      if (zeros) {
        const text = `${DR.text.count(zeros)} ${names}, each exactly 0`;
        lines.append(
          el(
            "li",
            { class: "term rest zeros" },
            el("span", { text }),
            el("span", { class: "result", text: "0" }),
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
      box.replaceChildren(...(numbers ? [numbers] : []), lines);
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

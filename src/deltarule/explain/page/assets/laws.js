// @ts-check
// The numbers of formulas, F1 to F15 and U: each shows its formula when it is pointed at, has the
// focus or is tapped.
"use strict";

const lawsModule = (function () {
  const { el } = DR.dom;
  const NUMBERS = /\b(F\d+)\b/;

  /** @type {Record<string, Page.Law>} */
  let known = {};

  /** @param {HTMLElement} button @param {Page.Law} law */
  function open(button, law) {
    if (button.querySelector(".tip")) return;
    const formula = DR.maths.math([DR.maths.printed(law.mathml)], { block: false });
    button.append(
      el("span", { class: "tip", "aria-hidden": "true" }, formula, el("span", { text: law.words })),
    );
  }

  /** The number of a formula with its tooltip; other text as it is. @param {string} name @returns {Page.Child} */
  function number(name) {
    const law = known[name];
    if (!law) return name;
    const button = el("button", {
      type: "button",
      class: "law",
      "aria-label": `${name}: ${law.text}, ${law.words}`,
      text: name,
    });
    const show = () => open(button, law);
    button.addEventListener("pointerenter", show);
    button.addEventListener("focus", show);
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      button.blur();
    });
    return button;
  }

  /**
   * A text with tooltips for the numbers in it. What follows a number up to the next space, and the
   * word that says where it is, stay in its line: "F13, below".
   *
   * @param {string} text @returns {Page.Child[]}
   */
  function within(text) {
    const pieces = text.split(NUMBERS);
    /** @type {Page.Child[]} */
    const drawn = [];
    // The numbers have the odd places.
    for (let i = 0; i < pieces.length; ++i) {
      if (i % 2 === 0) {
        if (pieces[i]) drawn.push(pieces[i]);
        continue;
      }
      const [joined] = /^(?:, below\b)?[^\s\w]*/.exec(pieces[i + 1]) ?? [""];
      pieces[i + 1] = pieces[i + 1].slice(joined.length);
      drawn.push(joined ? el("span", { class: "law-words" }, number(pieces[i]), joined) : number(pieces[i]));
    }
    return drawn;
  }

  return {
    within,
    /** The formulas of a payload, by their numbers. @param {Record<string, Page.Law>} laws */
    use(laws) {
      known = laws;
    },
  };
})();
DR.laws = lawsModule;

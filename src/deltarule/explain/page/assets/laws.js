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

  /** A text with tooltips for the numbers in it. @param {string} text @returns {Page.Child[]} */
  const within = (text) =>
    text
      .split(NUMBERS)
      .filter((piece) => piece !== "")
      .map(number);

  return {
    within,
    /** The formulas of a payload, by their numbers. @param {Record<string, Page.Law>} laws */
    use(laws) {
      known = laws;
    },
  };
})();
DR.laws = lawsModule;

// @ts-check
// What stands beside the textbook's form of a formula: the form that the library computes, folded,
// and a note where the textbook's loses digits in floating point.
"use strict";

const textbookModule = (function () {
  const { el } = DR.dom;
  const M = DR.maths;

  /**
   * Whether a product of rounded factors still has the digits of the exact value.
   *
   * @param {number} x @param {number} exact
   */
  const agrees = (x, exact) => Math.abs(x - exact) <= 1e-9 * Math.abs(exact) || x === exact;

  /**
   * The form that the library computes, folded; null where the form above is that one.
   *
   * @param {string | null} textbook @param {string | null} computed @param {Page.Piece[]} left
   * @param {Record<string, Page.Symbol>} [symbols] @param {Page.Indices | null} [indices]
   */
  function computedAs(textbook, computed, left, symbols = {}, indices = null) {
    if (!textbook || !computed) return null;
    const line = M.formula([...left, "=", M.printed(computed, symbols, indices)]);
    return el("details", { class: "computed" }, el("summary", { text: "computed as" }), line);
  }

  /**
   * Says where a textbook's form has lost digits in floating point, and what it gives there.
   *
   * @param {Page.Symbol} own @param {number | undefined} given @param {number} [exact]
   */
  function lostDigits(own, given, exact = own.value) {
    if (given === undefined || agrees(given, exact)) return null;
    const number = M.value({ ...own, id: `textbook ${own.id}`, value: given });
    const words = ["In floating point this form gives ", number, " here: it has lost digits. "];
    return el("p", { class: "limit" }, ...words, `${DR.number(exact)} comes from the form below.`);
  }

  /** Whether a printed formula is of one output: those of several have indices. @param {string | null} markup */
  const ofOne = (markup) => markup !== null && !/<msub><mi>[ayz]<\/mi>/.test(markup);

  /**
   * The term of a sum over outputs j, in brackets where it is a sum itself.
   *
   * @param {string} markup @param {number} l
   */
  function term(markup, l) {
    const drawn = M.printed(markup, {}, { l, j: "j" });
    return drawn.querySelector("mo") && drawn.firstElementChild?.localName !== "msup"
      ? M.fenced(drawn)
      : drawn;
  }

  /**
   * Says that z is at a kink of the activation; null where it is not.
   *
   * @param {number} z @param {number[]} kinks
   */
  function kinkNote(z, kinks) {
    const text = "z is exactly at a kink of the activation; the slope is the one from the left.";
    return kinks.includes(z) ? el("p", { class: "note", text }) : null;
  }

  return { agrees, computedAs, kinkNote, lostDigits, ofOne, term };
})();
DR.textbook = textbookModule;

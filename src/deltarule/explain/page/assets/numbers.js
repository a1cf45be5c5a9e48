// @ts-check
// Numbers and symbols as text. One rule for digits, the same as in Python's text and LaTeX:
//
//   0 -> "0";  1e-4 <= |x| < 1e6 -> six decimals;  else m × 10^e with six significant digits.
//
// A minus sign is U+2212, as in print.
"use strict";

const numbersModule = (function () {
  const MINUS = "\u2212";
  /** @type {Record<string, string>} */
  const UP = {
    "-": "⁻",
    "+": "⁺",
    0: "⁰",
    1: "¹",
    2: "²",
    3: "³",
    4: "⁴",
    5: "⁵",
    6: "⁶",
    7: "⁷",
    8: "⁸",
    9: "⁹",
  };
  /** @type {Record<string, string>} */
  const DOWN = { "-": "₋", 0: "₀", 1: "₁", 2: "₂", 3: "₃", 4: "₄", 5: "₅", 6: "₆", 7: "₇", 8: "₈", 9: "₉" };

  /** @param {string | number} text @param {Record<string, string>} signs */
  const spelled = (text, signs) => Array.from(String(text), (c) => signs[c] ?? c).join("");

  /** A superscript: sup(12) is "¹²". @param {string | number} text */
  const sup = (text) => spelled(text, UP);

  /** The number of a layer, which is no exponent: layer(2) is "⁽²⁾". @param {string | number} l */
  const layer = (l) => `⁽${sup(l)}⁾`;

  /** Subscripts: sub(1, 2) is "₁₂"; from 10 on the two are kept apart, "₁₂,₃". @param {...number} indices */
  function sub(...indices) {
    const apart = indices.some((index) => String(index).length > 1);
    return indices.map((index) => spelled(index, DOWN)).join(apart ? "," : "");
  }

  /**
   * size.toFixed(digits), rounded half to even as Python rounds; toFixed rounds a tie up. A tie
   * needs few binary digits after the point, so that one more decimal is exact there.
   *
   * @param {number} size @param {number} digits
   */
  function fixed(size, digits) {
    const text = size.toFixed(digits);
    if (!Number.isInteger(size * 2 ** (digits + 1))) return text;
    const exact = size.toFixed(digits + 1);
    const half = exact.endsWith("5") && "02468".includes(exact.at(-2) ?? "");
    return half ? exact.slice(0, -1) : text;
  }

  /**
   * [mantissa, exponent] with so many significant digits, rounded half to even. Numbers below 1 have
   * no ties that matter here, and a large number with a tie is an integer.
   *
   * @param {number} size @param {number} digits @returns {[mantissa: string, exponent: number]}
   */
  function scientific(size, digits) {
    const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
    /** @type {[string, number]} */
    const plain = [mantissa, Number(exponent)];
    if (size < 1 || !Number.isInteger(size)) return plain;
    const [longer, power] = size.toExponential(digits).split("e");
    const scale = Number(power) - digits;
    if (!longer.endsWith("5") || scale < 0 || !"02468".includes(longer.at(-2) ?? "")) return plain;
    const exact = BigInt(longer.replace(".", "")) * 10n ** BigInt(scale);
    return exact === BigInt(size) ? [longer.slice(0, -1), Number(power)] : plain;
  }

  /**
   * The parts of a number for display: {sign, mantissa, exponent}, exponent null if plain.
   *
   * @param {number} x
   * @param {number} [digits]
   * @returns {{ sign: string, mantissa: string, exponent: number | null }}
   */
  function parts(x, digits = 6) {
    const sign = x < 0 ? MINUS : "";
    const size = Math.abs(x);
    if (Number.isNaN(x)) return { sign: "", mantissa: "not a number", exponent: null };
    if (size === Infinity) return { sign, mantissa: "∞", exponent: null };
    if (size === 0) return { sign: "", mantissa: "0", exponent: null };
    if (size >= 1e-4 && size < 1e6) return { sign, mantissa: fixed(size, digits), exponent: null };
    const [mantissa, exponent] = scientific(size, digits);
    return { sign, mantissa, exponent };
  }

  /** x as text. @param {number} x @param {number} [digits] */
  const text = (x, digits = 6) => {
    const { sign, mantissa, exponent } = parts(x, digits);
    return sign + mantissa + (exponent === null ? "" : ` × 10${sup(exponent)}`);
  };
  const number = Object.assign(text, { parts });
  /**
   * A number as a reader types it: −0.25, .5, 0,25, 1/8, 2e-3; NaN for anything else.
   *
   * @param {string} text
   */
  function read(text) {
    const plain = text
      .replace(/\s/g, "")
      .replace(/[\u2212\u2013]/g, "-")
      .replace(",", ".");
    const parts = plain.split("/");
    if (parts.length > 2 || !parts.every((part) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(part)))
      return Number.NaN;
    const [above, below = 1] = parts.map(Number);
    return above / below;
  }

  /** A whole number with thousands kept apart. @param {number} n */
  const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  /**
   * The names of symbols, for data-symbol and for text. The first of a pair is what tests and
   * highlighting go by, the second what a person reads. ω_i is the weight of a row. An upper index is the layer, i the
   * sample: `dC_i/d…` belongs to one sample, `dC/d…` to the weighted mean over all.
   */
  /** @type {Page.SymbolNames} */
  const symbols = {
    w: (l, j, k) => [`w^${l}_{${j},${k}}`, `w${sub(j, k)}${layer(l)}`],
    b: (l, j) => [`b^${l}_{${j}}`, `b${sub(j)}${layer(l)}`],
    z: (l, j) => [`z^${l}_{${j}}`, `z${sub(j)}${layer(l)}`],
    a: (l, j) => [`a^${l}_{${j}}`, l === 0 ? `x${sub(j)}` : `a${sub(j)}${layer(l)}`],
    delta: (l, j) => [`delta^${l}_{${j}}`, `δ${sub(j)}${layer(l)}`],
    mask: (l, j) => [`m^${l}_{${j}}`, `m${sub(j)}${layer(l)}`],
    dadz: (l, j, m = j) => [`da^${l}_{${j}}/dz^${l}_{${m}}`, `∂a${sub(j)}${layer(l)}/∂z${sub(m)}${layer(l)}`],
    dzdw: (l, j, k) => [
      `dz^${l}_{${j}}/dw^${l}_{${j},${k}}`,
      `∂z${sub(j)}${layer(l)}/∂w${sub(j, k)}${layer(l)}`,
    ],
    y: (j) => [`y_{${j}}`, `y${sub(j)}`],
    loss: (i) => [`C_${i}`, `C${sub(rowIndex(i))}`],
    cost: () => ["C", "C"],
    share: (i) => [`w_${i}`, `ω${sub(rowIndex(i))}`],
    dCdw: (l, j, k, i = "") => [`dC${at(i)}/dw^${l}_{${j},${k}}`, `∂C${below(i)}/∂w${sub(j, k)}${layer(l)}`],
    dCdb: (l, j, i = "") => [`dC${at(i)}/db^${l}_{${j}}`, `∂C${below(i)}/∂b${sub(j)}${layer(l)}`],
    dCda: (l, j, i = "") => [`dC${at(i)}/da^${l}_{${j}}`, `∂C${below(i)}/∂${symbols.a(l, j)[1]}`],
  };
  /** @param {number | ""} i */
  const at = (i) => (i === "" ? "" : `_${i}`);
  /** @param {number | ""} i */
  const below = (i) => (i === "" ? "" : sub(rowIndex(i)));

  /** @type {number[] | null} The numbers of the samples as rows of a table. */
  let rows = null;

  /**
   * From now on a sample is counted as its table counts it, where its name is a number of a row and no
   * other has the same: C₄₄₇ is the loss of row 447. Names of symbols go by the place all the same.
   *
   * @param {string[]} names of the rows
   */
  function countRows(names) {
    const counted = names.every((name) => /^\d{1,9}$/.test(name)) && new Set(names).size === names.length;
    rows = counted ? names.map(Number) : null;
  }

  /** The index that a reader sees of sample i. @template {number | string} T @param {T} i */
  const rowIndex = (i) => (typeof i === "number" ? (rows?.[i] ?? i) : i);

  /** Whether a sample is counted as a row of its table. @param {number} i */
  const isCounted = (i) => rows?.[i] !== undefined;

  /** The name of an input, with the index of a plain one as in formulas: x₀ for x_0. @param {string} name */
  const named = (name) => (/^x_\d+$/.test(name) ? `x${sub(Number(name.slice(2)))}` : name);

  return {
    number,
    text: { MINUS, sup, sub, layer, count, read, named, symbols, countRows, rowIndex, isCounted },
  };
})();
DR.number = numbersModule.number;
DR.text = numbersModule.text;

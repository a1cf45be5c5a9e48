// @ts-check
// Labelled fields of the settings: lists, whole numbers, and numbers that may be typed with a comma.
"use strict";

const fieldsModule = (function () {
  const { el } = DR.dom;

  /**
   * The number in a field; NaN if it is empty or holds no number.
   *
   * @param {HTMLInputElement} input
   */
  const read = (input) => DR.text.read(input.value);

  /**
   * A labelled control below its label.
   *
   * @param {string} id @param {string} label @param {HTMLElement} control @param {string} [wide]
   */
  function field(id, label, control, wide = "") {
    control.id = id;
    return el("div", { class: `control ${wide}` }, el("label", { for: id, text: label }), control);
  }

  /**
   * @param {string} id
   * @param {string} label
   * @param {[value: string | number, text: string][]} options
   * @param {string | number} chosen
   * @param {(value: string) => unknown} onchange
   */
  function select(id, label, options, chosen, onchange) {
    /** @type {HTMLSelectElement} */
    const list = el(
      "select",
      { onchange: () => onchange(list.value) },
      ...options.map(([value, text]) => el("option", { value, text })),
    );
    list.value = String(chosen);
    return field(id, label, list, "wide"); // the names are long, and none is cut
  }

  /**
   * @param {string} id
   * @param {string} label
   * @param {number} value
   * @param {Page.Attributes} limits
   * @param {(value: number) => unknown} onchange
   */
  function number(id, label, value, limits, onchange) {
    const whole = Number(limits.step) >= 1;
    // A field of type number drops a decimal comma without a word, and 0,03 becomes 3.
    /** @type {Page.Attributes} */
    const kind = whole
      ? { type: "number", ...limits }
      : {
          type: "text",
          inputmode: "decimal",
          autocomplete: "off",
          "data-min": limits.min,
          "data-max": limits.max,
        };
    /** @type {HTMLInputElement} */
    const input = el("input", { ...kind, value, onchange: () => onchange(read(input)) });
    if (!whole)
      input.addEventListener("keydown", (/** @type {KeyboardEvent} */ { key }) => {
        if (key !== "ArrowUp" && key !== "ArrowDown") return;
        input.value = String(moved(read(input), key === "ArrowUp", limits));
        input.dispatchEvent(new Event("change", { bubbles: true }));
      });
    return field(id, label, input);
  }

  /**
   * The value one step up or down, within its limits; without a step, by one of its first digit.
   *
   * @param {number} value @param {boolean} up @param {Page.Attributes} limits
   */
  function moved(value, up, { min, max, step }) {
    const size = Math.abs(value) || 0.1;
    const digit = 10 ** Math.floor(Math.log10(size) + 1e-9);
    const unit = typeof step === "number" ? step : !up && size < 1.5 * digit ? digit / 10 : digit;
    const next = (value || 0) + (up ? unit : -unit);
    return DR.dom.clamp(Number(next.toPrecision(10)), Number(min), Number(max));
  }

  /**
   * Why the text of a number field is not sent: what it is, and what is expected. A field of type number
   * does not tell a text that is no number, only that there is one.
   *
   * @param {HTMLInputElement} input
   */
  function unread({ value, validity, min, max, step, dataset }) {
    const [low, high] = [min || dataset.min, max || dataset.max];
    const whole = Number(step || 1) >= 1 && dataset.min === undefined;
    const range = low && high ? ` from ${low} to ${high}` : "";
    const given = value || (validity.badInput ? "What was typed" : "");
    return `${given ? `${given} was refused: ` : "The field was left empty: "}expected a ${whole ? "whole " : ""}number${range}${whole ? "" : ", such as 0.25 or 0,25"}`;
  }

  /** @param {Element} labelled a control below its label */
  const inputOf = (labelled) => /** @type {HTMLInputElement} */ (labelled.querySelector("input"));

  return { select, number, inputOf, read, unread };
})();
DR.fields = fieldsModule;

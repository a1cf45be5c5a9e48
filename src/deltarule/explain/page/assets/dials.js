// @ts-check
// A number that is set by slider or typed, and tables of an estimate beside the true change.
"use strict";

const dialsModule = (function () {
  const { el } = DR.dom;

  /**
   * A row of such a table; `hook` and the name of a cell identify its number for tests.
   *
   * @param {string} name @param {[which: string, value: number][]} cells @param {string} hook
   */
  function row(name, cells, hook) {
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      ...cells.map(([which, value]) =>
        el(
          "td",
          {},
          el("span", {
            "data-whatif": `${hook}-${which}`,
            "data-value": String(value),
            text: DR.number(value),
          }),
        ),
      ),
    );
  }

  /** @param {string[]} heads @param {Element[]} rows */
  function table(heads, rows) {
    return el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "numbers" },
        el("thead", {}, el("tr", {}, el("td"), ...heads.map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, ...rows),
      ),
    );
  }

  /**
   * Slider and number field for one quantity; `read` computes it from the slider's position, `write`
   * the position from it.
   *
   * @param {string} id
   * @param {string} label
   * @param {{ min: number, max: number, step: number, read?: (position: number) => number,
   *   write?: (value: number) => number }} range
   * @param {(value: number) => unknown} change
   */
  function dial(id, label, { min, max, step, read = (v) => v, write = (v) => v }, change) {
    /** @type {HTMLInputElement} */
    const range = el("input", {
      type: "range",
      id: `${id}-range`,
      min,
      max,
      step,
      "aria-label": `${label}, slider`,
      oninput: () => change(read(Number(range.value))),
    });
    const field = DR.dom.numberField({
      class: "numeric",
      id,
      onchange: () => {
        const typed = DR.text.read(field.value);
        if (Number.isFinite(typed)) change(typed);
        else show(last);
      },
    });
    let last = 0; // what is shown, which a text that is no number leaves as it is
    const box = el("div", { class: "field dial" }, el("label", { for: id, text: label }), range, field);
    /** @param {number} value */
    function show(value) {
      last = value;
      range.value = String(write(value));
      range.setAttribute("aria-valuetext", DR.number(value));
      if (document.activeElement !== field || DR.text.read(field.value) !== value)
        field.value = String(Number(value.toPrecision(6)));
    }
    /** @param {number} most */
    const limit = (most) => {
      range.min = String(-most);
      range.max = String(most);
      range.step = String(most / 100);
    };
    return Object.assign(box, { show, limit });
  }

  return { row, table, dial };
})();
DR.dials = dialsModule;

// @ts-check
// A number that is turned by slider or typed, and tables of a promise beside the truth.
"use strict";

const dialsModule = (function () {
  const { el } = DR.dom;

  /** A row of the table of promise and truth. */
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

  /** Slider and number field for one quantity; `read` makes it of the slider's place, `write` back. */
  function dial(id, label, { min, max, step, read = (v) => v, write = (v) => v }, change) {
    const range = el("input", {
      type: "range",
      id: `${id}-range`,
      min,
      max,
      step,
      "aria-label": `${label}, slider`,
      oninput: () => change(read(Number(range.value))),
    });
    const field = el("input", {
      type: "number",
      id,
      step: "any",
      onchange: () => change(Number(field.value) || 0),
    });
    const box = el("div", { class: "field dial" }, el("label", { for: id, text: label }), range, field);
    box.show = (value) => {
      range.value = write(value);
      range.setAttribute("aria-valuetext", DR.number(value));
      if (document.activeElement !== field || Number(field.value) !== value)
        field.value = Number(value.toPrecision(6));
    };
    box.limit = (most) => {
      range.min = -most;
      range.max = most;
      range.step = most / 100;
    };
    return box;
  }

  return { row, table, dial };
})();
DR.dials = dialsModule;

// @ts-check
// The rows of the page in a list, as thumbnails where the inputs are an image: those that are wrong are
// marked, test rows and wrong ones can be shown alone, and the largest errors first.
"use strict";

const rowsModule = (function () {
  const { el } = DR.dom;
  const SLICE = 12; // milliseconds of work at a time
  const PARTS = /** @type {const} */ ({
    test: "test rows",
    valid: "validation rows",
    train: "training rows",
  });
  /** What the list shows. @typedef {{ part: string, order: "table" | "error", wrong: boolean }} Wanted */

  /** The number of the class with the highest probability. @param {ArrayLike<number>} a */
  function classOf(a) {
    if (a.length === 1) return a[0] > 1 - a[0] ? 1 : 0;
    return Array.from(a).reduce((best, value, j, all) => (value > all[best] ? j : best), 0);
  }

  /** The names of the classes; none where a number is predicted. @param {Page.Store} store */
  function classesOf({ net, payload: { answer, names } }) {
    if (answer) return answer.classes;
    if (names.classes.length) return names.classes;
    return net.widths[net.L] > 1 && !net.output_elementwise ? names.outputs : [];
  }

  /**
   * What is predicted for a row, and how wrong that is: of classes 1 − the probability of the true one,
   * of numbers the difference in the target's unit. Of a portfolio it is what all its networks predict.
   *
   * @param {Page.Store} store @param {number} i @returns {Page.JudgedRow}
   */
  function judge(store, i) {
    const { answer, names } = store.payload;
    const name = names.rows[i] ?? String(i);
    const classes = classesOf(store);
    const whole = answer?.portfolio;
    const y = store.y(i);
    const a = whole ? y : DR.driver.forward(store.net, store.theta(), store.x(i)).A[store.net.L];
    if (!classes.length) {
      const actual = answer ? Number(answer.cells[i]) : y[0];
      const scale = answer?.scale ?? 1,
        shift = answer?.shift ?? 0;
      const predicted = whole ? Number(whole.predicted[i]) : scale * a[0] + shift;
      return { name, actual, predicted, wrong: false, error: Math.abs(predicted - actual) };
    }
    const known = answer ? classes.indexOf(String(answer.cells[i])) : classOf(y);
    const chosen = whole ? classes.indexOf(String(whole.predicted[i])) : classOf(a);
    const share = whole ? (whole.of_table?.[i] ?? 0) : a.length === 1 ? (known ? a[0] : 1 - a[0]) : a[known];
    return {
      name,
      actual: classes[known] ?? "",
      predicted: classes[chosen] ?? "",
      wrong: chosen !== known,
      error: 1 - share,
    };
  }

  /** A cell of the target as text. @param {string | number} value */
  const written = (value) =>
    typeof value === "number" ? DR.dom.brief(value) : DR.dom.cut(DR.dom.apart(value), 12);

  /** What a row is called for a reader who does not see it. @param {Page.JudgedRow} row */
  function spoken({ name, actual, predicted, wrong }) {
    const all = (/** @type {string | number} */ value) =>
      typeof value === "number" ? DR.dom.brief(value) : value;
    if (typeof predicted === "number") return `row ${name}, ${all(actual)}, predicted ${all(predicted)}`;
    return `row ${name}, ${all(actual)}, ${wrong ? `predicted ${predicted}, wrong` : "right"}`;
  }

  /** The words below a row: its number, its target, and what is wrong. @param {Page.JudgedRow} row */
  function words({ name, actual, predicted, wrong }) {
    const number = el("span", { class: "row-name", text: DR.dom.cut(name, 12) });
    if (typeof actual === "number")
      return [
        number,
        el("span", {
          text: `${Number(actual.toPrecision(6))} → ${written(predicted)}`.replaceAll("-", DR.text.MINUS),
        }),
      ];
    const said = wrong ? `${written(actual)} ✗ ${written(predicted)}` : written(actual);
    return [number, el("span", { class: wrong ? "row-wrong" : "", text: said })];
  }

  /**
   * Calls `one` for each number below n, a few milliseconds at a time, then `done`; little work is done
   * at once. Returns what ends it.
   *
   * @param {number} n @param {(i: number) => void} one @param {() => void} done
   */
  function inSlices(n, one, done) {
    let i = 0,
      timer = 0;
    const go = () => {
      const end = performance.now() + SLICE;
      while (i < n && performance.now() < end) one(i++);
      if (i < n) timer = window.setTimeout(go, 0);
      else done();
    };
    go();
    return () => clearTimeout(timer);
  }

  /**
   * The fields above the list.
   *
   * @param {Page.Store} store @param {Wanted} wanted @param {() => void} arrange
   */
  function fields(store, wanted, arrange) {
    const { answer } = store.payload;
    const { n, of } = store.rows;
    /** @param {string} label @param {[value: string, text: string][]} options @param {(value: string) => void} use */
    const field = (label, options, use) => {
      const select = el(
        "select",
        {
          onchange: () => {
            use(select.value);
            arrange();
          },
        },
        ...options.map(([value, text]) => el("option", { value, text })),
      );
      return el("label", { class: "field" }, el("span", { class: "label", text: label }), select);
    };
    /** @type {[value: string, text: string][]} */
    const parts = Object.entries(PARTS).flatMap(([part, text]) => {
      const count = answer?.parts?.filter((each) => each === part).length ?? 0;
      return count ? [/** @type {[string, string]} */ ([part, `${DR.text.count(count)} ${text}`])] : [];
    });
    const wrong = el("input", {
      type: "checkbox",
      onchange: () => {
        wanted.wrong = wrong.checked;
        arrange();
      },
    });
    const some =
      n < of
        ? `This page has ${DR.text.count(n)} of ${DR.text.count(of)} rows, those with the largest errors among them. ` +
          `“deltarule explain MODEL DATA --rows ${parts.length ? "test" : "all"}” lists all.`
        : "";
    return el(
      "div",
      { class: "thumbnails-head" },
      parts.length
        ? field("Show", [["", `all ${DR.text.count(n)} rows`], ...parts], (value) => {
            wanted.part = value;
          })
        : null,
      field(
        "Order",
        [
          ["table", "as in the table"],
          ["error", "largest error first"],
        ],
        (value) => {
          wanted.order = value === "error" ? "error" : "table";
        },
      ),
      classesOf(store).length ? el("label", { class: "field check" }, wrong, "wrong ones only") : null,
      some && answer ? el("p", { class: "note", text: some }) : null,
    );
  }

  /** Arrow keys among the buttons of the list. @param {HTMLElement} grid @param {KeyboardEvent} event */
  function move(grid, event) {
    const buttons = /** @type {HTMLElement[]} */ ([...grid.children]);
    const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0) return;
    const across = buttons.filter((each) => each.offsetTop === buttons[0].offsetTop).length;
    /** @type {Record<string, number | undefined>} */
    const moves = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -across,
      ArrowDown: across,
      Home: -at,
      End: buttons.length - 1 - at,
    };
    const by = moves[event.key];
    if (by === undefined) return;
    buttons[DR.dom.clamp(at + by, 0, buttons.length - 1)].focus();
    event.preventDefault();
  }

  /**
   * A button that opens the rows as a list, of which one is chosen; with the picture of the row that is
   * shown where the inputs are an image. null where there are neither images nor a table.
   *
   * @param {Page.Store} store
   */
  function chooser(store) {
    const image = DR.images.of(store);
    if (!image && !store.payload.answer) return null;
    const face = image ? el("canvas", { "aria-hidden": "true" }) : DR.dom.icon("list");
    const title = image ? "Choose a row by its picture" : "Find a row";
    const button = el(
      "button",
      {
        type: "button",
        class: "tool thumbnail",
        popovertarget: "thumbnails",
        "aria-label": title,
        title,
      },
      face,
    );
    const grid = el("div", { class: "thumbnail-grid", role: "group", "aria-label": "Rows" });
    const found = el("p", { class: "note", role: "status" });
    const list = el("div", {
      class: image ? "thumbnails" : "thumbnails of-text",
      id: "thumbnails",
      popover: "auto",
      role: "group",
      "aria-label": "Find a row",
    });
    /** @type {Wanted} */
    const wanted = { part: "", order: "table", wrong: false };
    /** @type {{ button: HTMLElement, row: Page.JudgedRow }[]} */
    let items = [];
    /** @type {{ of: Float64Array | null, painted: boolean }} */
    const kept = { of: null, painted: false };
    let stop = () => {};

    /** @param {number} i */
    function choose(i) {
      store.set({ sample: i });
      list.hidePopover();
    }
    function arrange() {
      const { parts } = store.payload.answer ?? {};
      const shown = items
        .map((_, i) => i)
        .filter((i) => (!wanted.part || parts?.[i] === wanted.part) && (!wanted.wrong || items[i].row.wrong));
      if (wanted.order === "error") shown.sort((a, b) => items[b].row.error - items[a].row.error);
      grid.replaceChildren(...shown.map((i) => items[i].button));
      const bad = shown.filter((i) => items[i].row.wrong).length;
      found.textContent = classesOf(store).length
        ? `${DR.text.count(shown.length)} rows, ${DR.text.count(bad)} of them wrong (✗: what is predicted).`
        : `${DR.text.count(shown.length)} rows: what the table has → what is predicted.`;
    }
    /** @param {number} i */
    function add(i) {
      const row = judge(store, i);
      const canvas = image ? el("canvas", { "aria-hidden": "true" }) : null;
      if (image && canvas) DR.images.paintRow(canvas, store, image, i);
      const one = el(
        "button",
        {
          type: "button",
          class: row.wrong ? "wrong" : null,
          "data-row": i,
          "aria-label": spoken(row),
          "aria-current": i === store.state.sample ? "true" : null,
          onclick: () => choose(i),
        },
        canvas,
        ...words(row),
      );
      items.push({ button: one, row });
      grid.append(one);
    }
    function fill() {
      stop();
      items = [];
      grid.replaceChildren();
      DR.dom.put(list, "aria-busy", true);
      stop = inSlices(store.rows.n, add, () => {
        [kept.of, kept.painted] = [store.theta(), true];
        arrange();
        DR.dom.put(list, "aria-busy", null);
        if (list.matches(":popover-open")) focus();
      });
    }
    const focus = () =>
      /** @type {HTMLElement | null} */ (
        grid.querySelector("[aria-current]") ?? grid.firstElementChild
      )?.focus();
    const mark = () => {
      for (const [i, each] of items.entries())
        DR.dom.put(each.button, "aria-current", i === store.state.sample ? "true" : null);
    };
    list.append(fields(store, wanted, arrange), found, grid);
    list.addEventListener("beforetoggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
      if (!kept.painted || kept.of !== store.theta()) fill();
      else mark();
    });
    list.addEventListener("toggle", (event) => {
      if (/** @type {ToggleEvent} */ (event).newState === "open") focus();
    });
    grid.addEventListener("keydown", (event) => move(grid, event));
    const show = () => {
      if (image && face instanceof HTMLCanvasElement)
        DR.images.paintRow(face, store, image, store.state.sample);
    };
    document.addEventListener("deltarule-theme", () => {
      kept.painted = false;
      show();
    });
    show();
    return Object.assign(el("span", { class: "thumbnail-field" }, button, list), { show });
  }

  return { chooser, classOf, judge };
})();
DR.rows = rowsModule;

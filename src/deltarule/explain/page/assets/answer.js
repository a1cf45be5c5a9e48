// @ts-check
// What the network says about a row of a table, in the table's own units: the prediction, the parts
// of the columns in it, what it would be with other cells, and the error. Python's explain/row_answer.py
// answers the same for a terminal.
//
//   prediction = scale · f(x) + shift        parts = scale · A_k, summed over a column's inputs
//
// f is the output of the number, or of the predicted class. Of two classes with one output a, the
// probability of the first is 1 − a.
"use strict";

const answerModule = (function () {
  const { classOf } = DR.rows;
  const MOST_LEVELS = 6; // other levels of a category that are tried
  // Multiplications for the predictions with other cells, and columns that are tried in any case.
  const WORK = 3e7,
    LEAST_COLUMNS = 8;

  /**
   * From an output to the table's unit: the output, and the factor and the summand.
   *
   * @param {Page.Store} store @param {number} of the number of the class, 0 of a number
   */
  function unitOf(store, of) {
    const answer = /** @type {Page.TableAnswer} */ (store.payload.answer); // of a table
    if (answer.scale !== null) return { output: 0, scale: answer.scale, shift: answer.shift ?? 0 };
    if (store.net.widths[store.net.L] > 1) return { output: of, scale: 1, shift: 0 };
    return of ? { output: 0, scale: 1, shift: 0 } : { output: 0, scale: -1, shift: 1 };
  }

  /** The outputs for inputs x, without dropout. @param {Page.Store} store @param {Float64Array} x */
  const outputsOf = (store, x) => DR.driver.forward(store.net, store.theta(), x).A[store.net.L];

  /**
   * The prediction for the row that is shown: with a number, `value` is that number; with classes the
   * probability of the predicted one.
   *
   * @param {Page.Store} store @returns {Page.Predicted}
   */
  function predict(store) {
    const answer = /** @type {Page.TableAnswer} */ (store.payload.answer);
    const a = outputsOf(store, store.x());
    const isNumber = answer.scale !== null;
    const of = isNumber ? 0 : classOf(a);
    const unit = unitOf(store, of);
    const value = unit.scale * a[unit.output] + unit.shift;
    const cell = answer.cells[store.state.sample];
    const actual = isNumber ? Number(cell) : String(cell);
    const predicted = isNumber ? value : answer.classes[of];
    return {
      isNumber,
      of,
      unit,
      value,
      predicted,
      actual,
      second: isNumber ? null : secondOf(answer, a, of),
    };
  }

  /**
   * Of more than two classes, the one of the second largest probability.
   *
   * @param {Page.TableAnswer} answer @param {Float64Array} a @param {number} of the first
   */
  function secondOf({ classes }, a, of) {
    if (classes.length < 3) return null;
    const rest = classes.map((name, k) => ({ name, k, value: a[k] })).filter(({ k }) => k !== of);
    const { name, value } = rest.reduce((best, each) => (each.value > best.value ? each : best));
    return { classes: classes.length, name, value };
  }

  /** The probability of a class for the shown row; null where outputs do not add to 1. @param {Page.Store} store @param {string | number} name */
  function probabilityOf(store, name) {
    const { classes } = /** @type {Page.TableAnswer} */ (store.payload.answer);
    const k = classes.indexOf(String(name));
    const a = outputsOf(store, store.x());
    if (k < 0 || (a.length > 1 && store.net.output_elementwise)) return null;
    return a.length === 1 ? (k ? a[0] : 1 - a[0]) : a[k];
  }

  /**
   * The columns with their cells in the shown row and their parts of the prediction, the largest first.
   *
   * @param {Page.Store} store @param {Page.Predicted} found @param {Float64Array} values by input
   * @returns {Page.ColumnPart[]}
   */
  function partsOf(store, found, values) {
    const i = store.state.sample;
    return store.payload.columns
      .filter(({ inputs }) => inputs.length)
      .map(({ name, cells, inputs }) => ({
        name,
        cell: cells[i],
        part: found.unit.scale * inputs.reduce((total, k) => total + values[k], 0),
      }))
      .sort((a, b) => Math.abs(b.part) - Math.abs(a.part));
  }

  /**
   * What would be predicted with other cells, the column of the largest change first; none where an input
   * is made of several columns. Of very many columns, or in a large network, those with the largest
   * parts are tried.
   *
   * @param {Page.Store} store @param {Page.Predicted} found @param {Page.ColumnPart[]} parts
   * @returns {Page.CellChange[]}
   */
  function changesOf(store, found, parts) {
    const { answer, columns } = store.payload;
    const tried = answer?.tried;
    if (!tried) return [];
    const { shape, values } = DR.data.array(tried.inputs);
    const x = Float64Array.from(store.x());
    const { output, scale, shift } = found.unit;
    const most = Math.max(LEAST_COLUMNS, Math.floor(WORK / (MOST_LEVELS * store.net.p)));
    const names = new Set(parts.slice(0, most).map(({ name }) => name));
    const list = columns.flatMap(({ name, cells, inputs, kind }, c) => {
      if (!names.has(name)) return [];
      const cell = cells[store.state.sample];
      const others = tried.cells[c]
        .map((other, m) => ({ other, m }))
        .filter(({ other }) => other !== cell)
        .slice(0, kind === "category" ? MOST_LEVELS : undefined);
      if (!others.length || !inputs.length) return [];
      const own = inputs.map((k) => x[k]);
      const found = others.map(({ other, m }) => {
        for (const k of inputs) x[k] = values[m * shape[1] + k];
        const a = outputsOf(store, x);
        const predicted = answer.scale === null ? answer.classes[classOf(a)] : undefined;
        return { cell: other, value: scale * a[output] + shift, predicted };
      });
      inputs.forEach((k, at) => {
        x[k] = own[at];
      });
      return [{ name, cell, values: found }];
    });
    /** @param {Page.CellChange} change */
    const largest = (change) => Math.max(...change.values.map(({ value }) => Math.abs(value - found.value)));
    return list.sort((a, b) => largest(b) - largest(a));
  }

  /**
   * Numbers with the same decimals: so many significant digits of the largest. As Python's
   * explain/row_text.py writes them.
   *
   * @param {number[]} values @param {number} [digits] @returns {string[]}
   */
  function aligned(values, digits = 4) {
    const sizes = values.map(Math.abs);
    const largest = Math.max(0, ...sizes);
    if (!Number.isFinite(largest) || (largest > 0 && (largest < 1e-4 || largest >= 1e7)))
      return values.map((value) => DR.dom.brief(value));
    const whole = largest ? Math.floor(Math.log10(largest)) + 1 : 1;
    const decimals = Math.min(Math.max(digits - whole, 0), 9);
    return values.map((value) => {
      const text = value.toFixed(decimals);
      return Number(text) === 0 ? text.replace("-", "") : text.replace("-", DR.text.MINUS);
    });
  }

  /** A number with six significant digits, and no more than it has. @param {number} x */
  const short = (x) => String(Number(x.toPrecision(6))).replaceAll("-", DR.text.MINUS);

  /** A number of the table, with all digits that it has there. @param {number} x */
  const asRead = (x) => String(x).replaceAll("-", DR.text.MINUS);

  /** A text of `aligned` with its sign. @param {string} text */
  const signed = (text) => (text.startsWith(DR.text.MINUS) || !/[1-9]/.test(text) ? text : `+${text}`);

  return { predict, probabilityOf, partsOf, changesOf, aligned, signed, short, asRead };
})();
DR.answer = answerModule;

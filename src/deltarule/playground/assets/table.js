// @ts-check
// A CSV file as a table in the browser: fields, kinds of columns, and the inputs of a network.
//
// Encoded as `deltarule fit` encodes by default: numbers standardised over the training rows, one
// input for each level of a category, marks for missing cells. What only `fit` can do (other file
// formats, decimal and thousands marks that must be asked for, many kinds of dates) is refused or
// noted here.
"use strict";

const tableModule = (function () {
  const MOST_BYTES = 20_000_000,
    MOST_COLUMNS = 500,
    MOST_CLASSES = 100,
    MOST_LEVELS = 50,
    LEAST_ROWS = 10;
  const MISSING = new Set(["", "na", "n/a", "?", "nan", "null"]);
  const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i,
    COMMA = /^[-+]?(\d+,?\d*|,\d+)(e[-+]?\d+)?$/i,
    DAY = /^\d{4}-\d\d-\d\d$/;
  const PER_DAY = 86_400_000;

  /** A file that cannot be used; the message says where and what helps. */
  class Unreadable extends Error {}

  /** @param {string} text @param {number} most */
  const cut = (text, most = 40) => JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text);

  /** @param {string} cell */
  const missing = (cell) => MISSING.has(cell.toLowerCase());

  /**
   * The records of a text with the lines that they begin on (RFC 4180: quotes may hold delimiters,
   * quotes written twice, and ends of lines).
   *
   * @param {string} text @param {string} delimiter @returns {{ line: number, cells: string[] }[]}
   */
  function records(text, delimiter) {
    /** @type {{ line: number, cells: string[] }[]} */
    const out = [];
    let cells = /** @type {string[]} */ ([]),
      line = 1,
      began = 1,
      at = 0;
    const ends = () => {
      if (cells.length > 1 || cells[0] !== "") out.push({ line: began, cells });
      cells = [];
      began = line;
    };
    while (at < text.length) {
      while (text[at] === " " && delimiter !== " ") ++at;
      let cell = "";
      if (text[at] === '"') {
        const opened = line;
        for (++at; ; ++at) {
          if (at >= text.length)
            throw new Unreadable(
              `line ${opened}: a quotation mark opens and is never closed; close it, or write it twice within a quoted field`,
            );
          if (text[at] === '"' && text[at + 1] === '"') ++at;
          else if (text[at] === '"') break;
          if (text[at] === "\n") ++line;
          cell += text[at];
        }
        ++at;
        while (text[at] === " ") ++at;
        if (at < text.length && text[at] !== delimiter && text[at] !== "\n")
          throw new Unreadable(
            `line ${line}: text follows the closing quotation mark of ${cut(cell)}; write a quotation mark within a quoted field twice`,
          );
        cell = cell.trim();
      } else {
        const start = at;
        while (at < text.length && text[at] !== delimiter && text[at] !== "\n") ++at;
        cell = text.slice(start, at).trim();
      }
      cells.push(cell);
      if (at >= text.length) break;
      if (text[at] === "\n") {
        ++line;
        ++at;
        ends();
      } else if (++at === text.length) cells.push("");
    }
    ends();
    return out;
  }

  /** The delimiter that splits the first lines into the same number of fields, the most. @param {string} text */
  function delimiterOf(text) {
    const sample = text.split("\n", 20).filter((line) => line.trim());
    let best = ",",
      fields = 1;
    for (const mark of ["\t", ";", "|", ","]) {
      const counts = sample.map((line) => line.replace(/"[^"]*"/g, "").split(mark).length);
      const least = Math.min(...counts);
      if (least > fields) [best, fields] = [mark, least];
    }
    return best;
  }

  /** @param {string} name of the file @param {string} text */
  function checked(name, text) {
    const called = cut(name);
    if (text.length > MOST_BYTES)
      throw new Unreadable(
        `${called} has ${Math.round(text.length / 1e6)} MB; expected at most ${MOST_BYTES / 1e6} MB; deltarule playground on your machine takes larger files`,
      );
    if (text.includes("\0") || text.startsWith("PK\u0003\u0004"))
      throw new Unreadable(
        `${called} is no text file; expected a CSV file: in a spreadsheet, save the sheet as CSV`,
      );
    const broken = text.indexOf("\ufffd");
    if (broken >= 0)
      throw new Unreadable(
        `line ${text.slice(0, broken).split(/\r\n?|\n/).length} of ${called} is not UTF-8; save the file as UTF-8`,
      );
    const clean = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
    if (!clean.trim())
      throw new Unreadable(`${called} is empty; expected a line of names and lines of values`);
    if (/^\s*[[{<]/.test(clean))
      throw new Unreadable(
        `line 1 of ${called} begins with ${cut(clean.trim()[0])}, as JSON, HTML or XML do; expected a CSV file: a line of names, then lines of values`,
      );
    return clean;
  }

  /** @param {string[]} cells of a column, @param {boolean} comma @returns {Static.Column["kind"] | "decimal"} */
  function kindOf(cells, comma) {
    const known = cells.filter((cell) => !missing(cell));
    if (known.every((cell) => NUMBER.test(cell))) return "number";
    if (comma && known.every((cell) => COMMA.test(cell))) return "decimal";
    return known.every((cell) => DAY.test(cell) && !Number.isNaN(Date.parse(cell))) ? "date" : "category";
  }

  /** @param {string[]} cells @param {string} kind */
  function numbers(cells, kind) {
    return Float64Array.from(cells, (cell) => {
      if (missing(cell)) return NaN;
      if (kind === "date") return Date.parse(cell) / PER_DAY;
      return Number(kind === "decimal" ? cell.replace(",", ".") : cell);
    });
  }

  /**
   * The table of a text, with the last column as its target, or the one of that name.
   *
   * @param {string} name of the file @param {string} text @param {string} [target] @returns {Static.Parsed}
   */
  function parse(name, text, target) {
    const clean = checked(name, text);
    const delimiter = delimiterOf(clean);
    const [first, ...rest] = records(clean, delimiter);
    /** @type {string[]} */
    const notes = [];
    let names = first.cells,
      rows = rest;
    const width = names.length;
    if (width > MOST_COLUMNS)
      throw new Unreadable(
        `line 1 of ${cut(name)} has ${width} fields; expected at most ${MOST_COLUMNS} columns`,
      );
    if (names.every((cell) => NUMBER.test(cell))) {
      rows = [first, ...rest];
      names = names.map((_, k) => `column ${k + 1}`);
      notes.push("line 1 holds numbers only, so the columns have no names; they are numbered");
    }
    names.forEach((cell, k) => {
      if (cell && names.indexOf(cell) !== k)
        throw new Unreadable(
          `line 1 of ${cut(name)} has the name ${cut(cell)} twice; expected a different name for each column`,
        );
    });
    names = names.map((cell, k) => cell || `column ${k + 1}`);
    for (const { line, cells } of rows)
      if (cells.length !== width)
        throw new Unreadable(
          `line ${line} of ${cut(name)} has ${cells.length} field${cells.length === 1 ? "" : "s"}, and line 1 has ${width}; correct the line, or quote fields that hold ${cut(delimiter)}`,
        );
    if (width < 2)
      throw new Unreadable(
        `${cut(name)} has one column only; expected at least two, separated by commas, semicolons, tabs or |`,
      );
    if (rows.length < LEAST_ROWS)
      throw new Unreadable(
        `${cut(name)} has ${rows.length} row${rows.length === 1 ? "" : "s"} of values; expected at least ${LEAST_ROWS}`,
      );
    const columns = names.map((column, k) => {
      const cells = rows.map(({ cells: row }) => row[k]);
      const kind = kindOf(cells, delimiter !== ",");
      /** @type {Static.Column} */
      const made =
        kind === "category"
          ? { name: column, kind, cells, values: null }
          : { name: column, kind: kind === "date" ? "date" : "number", cells, values: numbers(cells, kind) };
      const huge = made.values?.findIndex((value) => value === Infinity || value === -Infinity) ?? -1;
      if (huge >= 0)
        throw new Unreadable(
          `line ${rows[huge].line} of ${cut(name)}: ${cut(cells[huge])} in column ${cut(column)} is larger than any number; correct it, or leave it empty`,
        );
      return made;
    });
    /** @type {Static.Parsed} */
    const table = {
      name,
      columns,
      lines: rows.map(({ line }) => line),
      notes,
      target: names[width - 1],
      rows,
    };
    if (target !== undefined) return aimed(table, target);
    // The last column that can be predicted, from the right.
    for (const column of [...names].reverse())
      try {
        return aimed(table, column);
      } catch (error) {
        if (column === names[0]) throw error;
      }
    throw new Unreadable(`no column of ${cut(name)} can be predicted`);
  }

  /** What a column can be predicted as. @param {Static.Column} column @returns {{ classes: string[] }} */
  function task({ name, kind, cells, values }) {
    const known = [...new Set(cells.filter((cell) => !missing(cell)))];
    const different = values ? new Set(values.filter((value) => !Number.isNaN(value))).size : known.length;
    if (different < 2)
      throw new Unreadable(
        `the column ${cut(name)} ${different ? "holds one value only" : "is empty"}; expected at least two different values in what is predicted; choose another column`,
      );
    if (values && (different > 2 || kind === "date")) return { classes: [] };
    if (values)
      return {
        classes: [...new Set(values.filter((value) => !Number.isNaN(value)))]
          .sort((a, b) => a - b)
          .map(String),
      };
    if (different > MOST_CLASSES)
      throw new Unreadable(
        `the column ${cut(name)} is text with ${different} different values, such as ${cut(known[0])}; expected at most ${MOST_CLASSES} classes, or numbers; choose another column`,
      );
    return { classes: known.sort() };
  }

  /** The table with another target. @param {Static.Parsed} table @param {string} name @returns {Static.Parsed} */
  function aimed(table, name) {
    const column = table.columns.find((each) => each.name === name);
    if (!column)
      throw new Unreadable(
        `${cut(table.name)} has no column ${cut(name)}; expected one of ${table.columns
          .map((each) => cut(each.name))
          .slice(0, 8)
          .join(", ")}`,
      );
    task(column);
    const known = column.cells.filter((cell) => !missing(cell)).length;
    if (known < LEAST_ROWS)
      throw new Unreadable(
        `the column ${cut(name)} has a value in ${known} row${known === 1 ? "" : "s"} only; expected at least ${LEAST_ROWS}; choose another column to predict`,
      );
    const next = { ...table, target: name };
    if (!columnsOf(next).length)
      throw new Unreadable(
        `no column of ${cut(table.name)} tells anything about ${cut(name)}: all others are constant, or different in every row`,
      );
    return next;
  }

  /** Why a column is no input; "" if it is one. @param {Static.Column} column */
  function dropped({ name, kind, cells }) {
    const known = cells.filter((cell) => !missing(cell));
    const different = new Set(known).size;
    if (!different) return `column ${cut(name)} is left out: it is empty`;
    if (different === 1 && known.length === cells.length)
      return `column ${cut(name)} is left out: it holds one value only`;
    if (kind === "category" && different > MOST_LEVELS && different > 0.9 * known.length)
      return `column ${cut(name)} is left out: its text differs in nearly every row, as names do`;
    return "";
  }

  /** The names of the columns that a target can be predicted from. @param {Static.Parsed} table */
  function columnsOf({ columns, target }) {
    return columns.filter((column) => column.name !== target && !dropped(column)).map(({ name }) => name);
  }

  /** What the page says of a table. @param {Static.Parsed} table */
  function summary(table) {
    const { columns, target, notes } = table;
    const left = columns
      .filter(({ name }) => name !== target)
      .map(dropped)
      .filter(Boolean);
    return { target, columns: columns.map(({ name }) => name), notes: [...notes, ...left] };
  }

  /**
   * The inputs of one column, fitted to the training rows.
   *
   * @param {Static.Column} column @param {Int32Array} rows @param {Int32Array} trained
   */
  function encoded({ name, kind, cells, values }, rows, trained) {
    /** @type {{ name: string, values: Float64Array }[]} */
    const inputs = [];
    /** @type {{ levels: string[], offset: number, scale: number, own: number }} */
    const axis = { levels: [], offset: 0, scale: 1, own: 0 };
    if (values) {
      const known = Float64Array.from(trained, (i) => values[i])
        .filter((value) => !Number.isNaN(value))
        .sort();
      const low = known[0],
        high = known[known.length - 1],
        size = Math.max(Math.abs(low), Math.abs(high)) || 1;
      if (low < high) {
        const mean = (known.reduce((sum, value) => sum + value / size, 0) / known.length) * size;
        const std =
          Math.sqrt(known.reduce((sum, value) => sum + ((value - mean) / size) ** 2, 0) / known.length) *
            size || 1;
        const median = known[(known.length - 1) >> 1] / 2 + known[known.length >> 1] / 2;
        [axis.offset, axis.scale, axis.own] = [mean, std, 1];
        inputs.push({
          name,
          values: Float64Array.from(rows, (i) =>
            Math.fround(((Number.isNaN(values[i]) ? median : values[i]) - mean) / std),
          ),
        });
      }
      if (known.length && known.length < trained.length)
        inputs.push({
          name: `${name}=(missing)`,
          values: Float64Array.from(rows, (i) => Number(Number.isNaN(values[i]))),
        });
      return { inputs, axis, date: kind === "date" };
    }
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const i of trained) if (!missing(cells[i])) counts.set(cells[i], (counts.get(cells[i]) ?? 0) + 1);
    const ranked = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([level]) => level);
    const own = ranked.slice(0, MOST_LEVELS).sort();
    /** @type {[label: string, has: (cell: string) => boolean][]} */
    const groups = own.map((level) => [
      level.startsWith("(") ? `'${level}'` : level,
      (cell) => cell === level,
    ]);
    const known = new Set(own);
    if (ranked.length > MOST_LEVELS) groups.push(["(other)", (cell) => !known.has(cell) && !missing(cell)]);
    if (Array.from(trained).some((i) => missing(cells[i]))) groups.push(["(missing)", missing]);
    if (groups.length < 2) return { inputs, axis, date: false };
    for (const [label, has] of groups) {
      axis.levels.push(label);
      inputs.push({
        name: `${name}=${label}`,
        values: Float64Array.from(rows, (i) => Number(has(cells[i]))),
      });
    }
    return { inputs, axis, date: false };
  }

  /**
   * The data of a run on a table: rows with a known target, at most `settings.rows` of them.
   *
   * @param {Static.Parsed} table @param {Live.Settings} settings @returns {Static.Data}
   */
  function data(table, settings) {
    const { columns, target, rows: all } = table;
    const aim = /** @type {Static.Column} */ (columns.find(({ name }) => name === target));
    const { classes } = task(aim);
    let rows = Int32Array.from(all.map((_, i) => i).filter((i) => !missing(aim.cells[i])));
    const notes = [];
    if (rows.length < all.length)
      notes.push(`${all.length - rows.length} rows are left out: ${cut(target)} is missing in them`);
    if (rows.length > settings.rows) {
      const { generator, STREAM } = DR.random;
      const chosen = generator(settings.seed, [STREAM.sample])
        .permutation(rows.length)
        .slice(0, settings.rows)
        .sort();
      notes.push(`${settings.rows} of ${rows.length} rows are used, chosen at random`);
      rows = chosen.map((i) => rows[i]);
    }
    /** @param {number} i */
    const label = (i) => classes.indexOf(aim.values ? String(aim.values[i]) : aim.cells[i]);
    const raw = Float64Array.from(rows, (i) =>
      classes.length ? label(i) : /** @type {Float64Array} */ (aim.values)[i],
    );
    const held = DR.datasets.heldOut(raw, settings.held, settings.seed, classes.length > 0);
    const positions = DR.datasets.others(held, rows.length);
    const trained = positions.map((i) => rows[i]);
    let mean = 0,
      scale = 1,
      y = raw;
    if (!classes.length) {
      const values = Float64Array.from(positions, (i) => raw[i]);
      mean = values.reduce((sum, value) => sum + value / values.length, 0);
      scale = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2 / values.length, 0)) || 1;
      y = raw.map((value) => Math.fround((value - mean) / scale));
    }
    const wanted = settings.columns.length ? settings.columns : columnsOf(table);
    const inputs = /** @type {{ name: string, values: Float64Array }[]} */ ([]);
    /** @type {Static.Axis[]} */
    const axes = [];
    for (const column of columns) {
      if (!wanted.includes(column.name) || column.name === target) continue;
      const found = encoded(column, rows, trained),
        at = inputs.length;
      inputs.push(...found.inputs);
      const { levels, offset, scale: unit, own } = found.axis;
      if (levels.length)
        axes.push({
          name: column.name,
          inputs: levels.map((_, j) => at + j),
          levels,
          date: false,
          offset: 0,
          scale: 1,
        });
      else
        found.inputs.forEach(({ name }, j) => {
          const first = own && j === 0;
          axes.push({
            name,
            inputs: [at + j],
            levels: [],
            date: Boolean(first && found.date),
            offset: first ? offset : 0,
            scale: first ? unit : 1,
          });
        });
    }
    if (!inputs.length)
      throw new Unreadable(
        "the chosen columns hold one value only in the training rows; choose more columns",
      );
    const values = new Float64Array(rows.length * inputs.length);
    inputs.forEach(({ values: column }, k) => {
      for (let i = 0; i < rows.length; ++i) values[i * inputs.length + k] = column[i];
    });
    return {
      X: { shape: [rows.length, inputs.length], values },
      y,
      held,
      trained: positions,
      inputs: inputs.map(({ name }) => name),
      axes,
      target: { name: target, classes, mean, scale },
      notes,
    };
  }

  return { parse, aimed, columnsOf, summary, data, records, delimiterOf, Unreadable };
})();
DR.table = tableModule;

// @ts-check
// The text of a CSV file: records, fields, and what a column holds.
"use strict";

const csvModule = (function () {
  const MOST_BYTES = 20_000_000;
  const MISSING = new Set(["", "na", "n/a", "?", "nan", "null"]);
  const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i,
    COMMA = /^[-+]?(\d+,?\d*|,\d+)(e[-+]?\d+)?$/i,
    DAY = /^\d{4}-\d\d-\d\d$/;
  // How JSON, HTML and XML begin, and names of columns hardly.
  const OTHER = /^\s*([[{]\s*["{[\]}]|<(\?xml|!doctype|html|head|body|table|svg)\b)/i;
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
      if (cells.length > 1 || cells[0]) out.push({ line: began, cells });
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
    if (OTHER.test(clean))
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

  return { Unreadable, cut, missing, records, delimiterOf, checked, kindOf, numbers, NUMBER };
})();
DR.csv = csvModule;

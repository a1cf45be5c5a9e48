// @ts-check
// What undo and redo go back to, for the static page: the moments of the runs at which a user changed
// something; the same as undo.py.
"use strict";

const undoModule = (function () {
  const MOST_CHANGES = 1000,
    MOST_RUNS = 10, // replaced runs among them: each keeps its data
    MOST_NUMBERS = 8_000_000; // of all parameters and optimizer states

  /** @param {Static.Past} past */
  const numbers = ({ run: { theta, updater, log } }) =>
    theta.length +
    Object.values(updater.slots).reduce((sum, { length }) => sum + length, 0) +
    3 * log.kept.length;

  /** The changes that can be taken back, and those that were and can be made again. */
  function changes() {
    /** @type {Static.Past[]} */
    const past = [];
    /** @type {Static.Past[]} */
    const future = [];
    const tooMuch = () =>
      past.length > MOST_CHANGES ||
      new Set(past.map(({ state }) => state)).size > MOST_RUNS ||
      past.reduce((sum, each) => sum + numbers(each), 0) > MOST_NUMBERS;
    /**
     * @param {Static.Past[]} from @param {Static.Past[]} to
     * @param {(change: string) => Static.Past} momentOf
     */
    function exchange(from, to, momentOf) {
      const moment = from.pop();
      if (moment) to.push(momentOf(moment.change));
      return moment;
    }
    return {
      /** The moment before a change; what was taken back cannot be made again after it. @param {Static.Past} moment */
      add(moment) {
        past.push(moment);
        future.length = 0;
        while (past.length > 1 && tooMuch()) past.shift();
      },
      /** The moment to go back to, if any; the present one becomes the next of redo. @param {(change: string) => Static.Past} momentOf */
      undo: (momentOf) => exchange(past, future, momentOf),
      /** The moment that undo left last, if any. @param {(change: string) => Static.Past} momentOf */
      redo: (momentOf) => exchange(future, past, momentOf),
      /** What undo takes back, and what redo makes again: "weight", "rate", "run" or "". */
      get next() {
        return { undo: past.at(-1)?.change ?? "", redo: future.at(-1)?.change ?? "" };
      },
    };
  }

  return { changes };
})();
DR.undo = undoModule;

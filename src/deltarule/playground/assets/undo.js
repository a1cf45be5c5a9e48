// @ts-check
// What undo and redo go back to, for the static page: the moments of the runs at which a user changed
// something; the same as undo.py.
"use strict";

const undoModule = (function () {
  const MOST_CHANGES = 1000,
    MOST_RUNS = 10, // replaced runs among them: each keeps its data
    MOST_NUMBERS = 8_000_000; // of all parameters and optimizer states

  const { Refused } = DR.datasets;

  /** @param {Static.Past["run"]} run */
  const numbers = ({ theta, updater, log }) =>
    theta.length +
    Object.values(updater.slots).reduce((sum, { length }) => sum + length, 0) +
    3 * log.kept.length;

  /** The moments of runs that are kept; several changes may have one best epoch. @param {Static.Past[]} past */
  const kept = (past) => new Set(past.flatMap(({ run, kept }) => (kept.best ? [run, kept.best.run] : [run])));

  /**
   * At the end of an epoch whose loss is the smallest so far, keeps the run as it is. An epoch within which
   * the rate or a weight was changed is none to go back to: its loss is that of the weights before each
   * step, also where the last step has spoiled them.
   *
   * @param {Static.State} state
   */
  function keepBest(state) {
    const { run, best, steady, hand, changed } = state;
    const last = run.log.logs.at(-1);
    if (run.done || !last || (best && last[1] >= best.loss)) return;
    if (changed[0] && changed[1] === last[0] - 1) return;
    state.best = { epoch: last[0], loss: last[1], run: run.saved(), kept: { steady, hand, changed } };
  }

  /**
   * Goes back to the end of the epoch with the smallest loss, with the rate that held then.
   *
   * @param {Static.State} state @param {boolean} edited whether a weight was set by hand since the last epoch
   */
  function toBest(state, edited) {
    const { run, best } = state;
    if (!best) throw new Refused("there is no best epoch yet: none is complete; train for one first");
    if (run.step === best.epoch * run.perEpoch && !edited)
      throw new Refused(`the run is at its best epoch, epoch ${best.epoch}, already`);
    run.restore(best.run);
    Object.assign(state, best.kept);
  }

  /** The changes that can be taken back, and those that were and can be made again. */
  function changes() {
    /** @type {Static.Past[]} */
    const past = [];
    /** @type {Static.Past[]} */
    const future = [];
    const tooMuch = () =>
      past.length > MOST_CHANGES ||
      new Set(past.map(({ state }) => state)).size > MOST_RUNS ||
      [...kept(past)].reduce((sum, each) => sum + numbers(each), 0) > MOST_NUMBERS;
    /**
     * @param {Static.Past[]} from @param {Static.Past[]} to
     * @param {(change: string) => Static.Past} momentOf @param {string} nothing why there may be none
     */
    function exchange(from, to, momentOf, nothing) {
      const moment = from.pop();
      if (!moment) throw new Refused(nothing);
      to.push(momentOf(moment.change));
      return moment;
    }
    return {
      /** The moment before a change; what was taken back cannot be made again after it. @param {Static.Past} moment */
      add(moment) {
        past.push(moment);
        future.length = 0;
        while (past.length > 1 && tooMuch()) past.shift();
      },
      /** The moment to go back to; the present one becomes the next of redo. @param {(change: string) => Static.Past} momentOf */
      undo: (momentOf) =>
        exchange(
          past,
          future,
          momentOf,
          "there is nothing to undo: no weight was set by hand, the learning rate is the first, and no run came before this one",
        ),
      /** The moment that undo left last. @param {(change: string) => Static.Past} momentOf */
      redo: (momentOf) =>
        exchange(
          future,
          past,
          momentOf,
          "there is nothing to redo: nothing was undone since the last change",
        ),
      /** What undo takes back, and what redo makes again: "weight", "rate", "run", "best" or "". */
      get next() {
        return { undo: past.at(-1)?.change ?? "", redo: future.at(-1)?.change ?? "" };
      },
    };
  }

  return { changes, keepBest, toBest };
})();
DR.undo = undoModule;

// @ts-check
// Whether a loss jumps about without falling: `level_of_jumps` in training/diagnosis/rate_finding.py.
"use strict";

const jumpsModule = (function () {
  const TWICE = 2,
    CLEAR = 0.05; // of a loss that counts as large

  /** @param {number[]} values */
  const sorted = (values) => Float64Array.from(values).sort();

  /** @param {number[]} values */
  function median(values) {
    const all = sorted(values);
    return (all[(all.length - 1) >> 1] + all[all.length >> 1]) / 2;
  }

  /**
   * The losses that are looked at: about the last third, in halves of even length, in which a loss that
   * alternates is as often high as low.
   *
   * @param {number[]} losses of the epochs
   */
  const tailOf = (losses) => losses.slice(-4 * (Math.max(12, Math.floor(losses.length / 3)) >> 2));

  /**
   * The loss that a run is seldom below where its loss jumps about: the lower quartile of the last third
   * of the epochs. Null where it does not jump, or still falls.
   *
   * @param {number[]} losses of the epochs @param {number} start the loss before the first step
   * @param {Live.RateLimits} limits @returns {number | null}
   */
  function level(losses, start, limits) {
    if (losses.length < limits.few_epochs) return null;
    const tail = tailOf(losses);
    if (!tail.every(Number.isFinite)) return null;
    const half = tail.length >> 1;
    const middle = median(tail);
    let rough = 0;
    for (let i = 1; i < tail.length; ++i) rough += Math.abs(tail[i] - tail[i - 1]) / (tail.length - 1);
    const falls = median(tail.slice(half)) < limits.stalled * median(tail.slice(0, half));
    if ((falls && middle <= start) || rough < limits.rough * Math.abs(middle)) return null;
    return sorted(tail)[tail.length >> 2];
  }

  /**
   * How high a loss jumps that else is small: the largest of about the last third of the epochs that is
   * twice the smallest before it there, and above that by a part of `base`. Null where there is none.
   *
   * @param {number[]} losses of the epochs @param {number} base a loss that counts as large
   * @param {Live.RateLimits} limits @returns {number | null}
   */
  function leap(losses, base, limits) {
    if (losses.length < limits.few_epochs) return null;
    let least = Infinity,
      most = -Infinity;
    for (const loss of tailOf(losses)) {
      if (loss > TWICE * least && loss - least > CLEAR * base) most = Math.max(most, loss);
      least = Math.min(least, loss);
    }
    return most > -Infinity ? most : null;
  }

  return { level, leap, median, tailOf };
})();
DR.jumps = jumpsModule;

// @ts-check
// Whether the loss on the rows held out has risen for good while the training loss fell on: overfitting.
"use strict";

const overfittingModule = (function () {
  const RISE = 1.15, // of the smallest held-out loss
    PLAIN = 0.1, // of the loss of a constant guess: a smaller rise changes hardly any answer
    ABOVE = 1.3, // times the training loss
    LASTS = 0.2, // of the epochs
    LEAST_EPOCHS = 3, // and not less
    SMOOTH = 20, // a running median is of this part of the points
    MOST = 120; // points that it is taken at

  /**
   * The epoch after which the held-out loss was smallest, where it has risen since for good; or null.
   * Both losses are smoothed by a running median, so that one lucky epoch is not the smallest. It has
   * risen for good where every smoothed value of the last 20 % of the epochs, three at least, is above
   * all of these: 1.15 times the smallest one, the smallest one plus 0.1 times the loss of a constant
   * guess, and 1.3 times the training loss.
   *
   * @param {Float32Array} curve epoch, loss, held-out loss by turns
   * @param {number} guess the loss of a constant guess
   * @returns {{ epoch: number, least: number } | null}
   */
  function lasting(curve, guess) {
    const n = curve.length / 3,
      half = Math.floor(n / SMOOTH / 2),
      stride = Math.ceil(n / MOST);
    const points = [];
    for (let i = n - 1; i >= 0; i -= stride) points.unshift(i);
    /** @param {number} i @param {1 | 2} which */
    const smooth = (i, which) => {
      const near = [];
      for (let k = Math.max(0, i - half); k <= Math.min(n - 1, i + half); ++k)
        near.push(curve[3 * k + which]);
      return DR.jumps.median(near);
    };
    const held = points.map((i) => smooth(i, 2));
    const least = Math.min(...held),
      epoch = curve[3 * points[held.indexOf(least)]];
    const end = curve[3 * n - 3];
    const from = end - Math.max(LEAST_EPOCHS, LASTS * (end - curve[0]));
    if (!Number.isFinite(least) || epoch > from) return null;
    const bound = Math.max(RISE * least, least + PLAIN * guess);
    const risen = points.every(
      (i, k) => curve[3 * i] <= from || (held[k] > bound && held[k] > ABOVE * smooth(i, 1)),
    );
    return risen ? { epoch, least } : null;
  }

  return { lasting };
})();
DR.overfitting = overfittingModule;

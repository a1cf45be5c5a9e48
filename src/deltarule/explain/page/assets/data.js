// @ts-check
// The packed arrays of the page's payload: {dtype: "f4" | "f8", shape, base64}, little endian.
//
// float32 is used only where it is exact, so what is decoded here is what Python has.
//
// This is the first script of the page, so it makes `DR`, to which each script adds what it offers
// to those after it. Types: types/page.d.ts.
"use strict";
globalThis.DR ??= /** @type {DeltaruleScripts} */ ({});

const dataModule = (function () {
  /** @type {WeakMap<Page.PackedArray, Page.DecodedArray>} */
  const decoded = new WeakMap();

  /** @param {string} base64 */
  function bytes(base64) {
    const text = atob(base64);
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; ++i) out[i] = text.charCodeAt(i);
    return out;
  }

  /**
   * The decoded array {shape, values}; each packed array is decoded once. null stays null, and an
   * array that has its values already (parameters that the playground received) is returned as it is.
   *
   * @template {Page.ArrayData | null | undefined} T
   * @param {T} packed
   * @returns {T extends null | undefined ? null : Page.DecodedArray}
   */
  function array(packed) {
    // The compiler does not narrow a conditional return type, hence the casts of the results.
    if (packed === null || packed === undefined) return /** @type {any} */ (null);
    if (packed.values) return /** @type {any} */ (packed);
    let array = decoded.get(packed);
    if (!array) {
      const raw = bytes(packed.base64).buffer;
      const values = packed.dtype === "f4" ? Float64Array.from(new Float32Array(raw)) : new Float64Array(raw);
      array = { shape: packed.shape, values };
      decoded.set(packed, array);
    }
    return /** @type {any} */ (array);
  }

  /** Row i of a matrix: a view, not a copy. @param {Page.DecodedArray} matrix @param {number} i */
  function row(matrix, i) {
    const width = matrix.shape[1];
    return matrix.values.subarray(i * width, (i + 1) * width);
  }

  /** The payload of this page. @returns {Page.Payload} */
  function payload() {
    return JSON.parse(/** @type {HTMLElement} */ (document.getElementById("payload")).textContent);
  }

  return { array, row, payload };
})();
DR.data = dataModule;

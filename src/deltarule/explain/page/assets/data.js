// Arrays as they travel in the page: {dtype: "f4" | "f8", shape, base64}, little endian.
//
// float32 is used only where it is exact, so what is decoded here is what Python has.
"use strict";
var DR = globalThis.DR || (globalThis.DR = {});

(function () {
  const decoded = new WeakMap();

  function bytes(base64) {
    const text = atob(base64);
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; ++i) out[i] = text.charCodeAt(i);
    return out;
  }

  /**
   * The array as {shape, values}, values a Float64Array; decoded once. null stays null, and what
   * has its values already, as the parameters that the playground is sent, stays as it is.
   */
  function array(packed) {
    if (packed === null || packed === undefined) return null;
    if (packed.values) return packed;
    if (!decoded.has(packed)) {
      const raw = bytes(packed.base64).buffer;
      const values =
        packed.dtype === "f4" ? Float64Array.from(new Float32Array(raw)) : new Float64Array(raw);
      decoded.set(packed, { shape: packed.shape, values });
    }
    return decoded.get(packed);
  }

  /** Row i of a matrix {shape, values}: a view, not a copy. */
  function row(matrix, i) {
    const width = matrix.shape[1];
    return matrix.values.subarray(i * width, (i + 1) * width);
  }

  /** The payload that stands in the page. */
  function payload() {
    return JSON.parse(document.getElementById("payload").textContent);
  }

  DR.data = { array, row, payload };
})();

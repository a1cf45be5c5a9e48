// @ts-check
// NumPy's random numbers: SeedSequence, PCG64, and the draws that the playground makes.
//
// The same seed gives the same data, the same initial weights and the same order of rows as in
// Python (tests/playground/test_static_random.py compares them).
"use strict";
globalThis.DR ??= /** @type {DeltaruleScripts} */ ({});

const randomModule = (function () {
  const MASK64 = (1n << 64n) - 1n,
    MASK128 = (1n << 128n) - 1n;
  const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

  // -- SeedSequence (NumPy's numpy/random/bit_generator.pyx, after O'Neill's seed_seq) ------------

  const POOL = 4;

  /** A whole number as 32-bit words, the lowest first. @param {number} value */
  function words(value) {
    const out = [];
    for (let rest = BigInt(value); rest > 0n; rest >>= 32n) out.push(Number(rest & 0xffffffffn));
    return out.length ? out : [0];
  }

  /** A hash whose constant changes with each call. @param {number} start @param {number} by */
  function hasher(start, by) {
    let constant = start;
    return (/** @type {number} */ value) => {
      const mixed = value ^ constant;
      constant = Math.imul(constant, by);
      const product = Math.imul(mixed, constant);
      return (product ^ (product >>> 16)) >>> 0;
    };
  }

  /** @param {number} x @param {number} y */
  function mix(x, y) {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }

  /**
   * Four 64-bit numbers from a seed and a key.
   *
   * @param {number} seed @param {number[]} key
   */
  function seeds(seed, key) {
    let entropy = words(seed);
    const spawned = key.flatMap(words);
    if (spawned.length) {
      while (entropy.length < POOL) entropy.push(0);
      entropy = [...entropy, ...spawned];
    }
    const hash = hasher(0x43b0d7e5, 0x931e8875);
    const pool = Array.from({ length: POOL }, (_, i) => hash(entropy[i] ?? 0));
    for (let from = 0; from < POOL; ++from)
      for (let to = 0; to < POOL; ++to) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
    for (let from = POOL; from < entropy.length; ++from)
      for (let to = 0; to < POOL; ++to) pool[to] = mix(pool[to], hash(entropy[from]));
    const out = hasher(0x8b51f9dd, 0x58f38ded);
    const parts = Array.from({ length: 2 * POOL }, (_, i) => BigInt(out(pool[i % POOL])));
    return Array.from({ length: POOL }, (_, i) => parts[2 * i] | (parts[2 * i + 1] << 32n));
  }

  // -- the ziggurat of the normal distribution (Marsaglia and Tsang, 256 layers) ------------------

  const R = 3.654152885361009, // where the tail begins
    AREA = 0.00492867323397465, // of a layer
    LEVELS = 2 ** 52;

  const ziggurat = (() => {
    const inside = new Float64Array(256),
      width = new Float64Array(256),
      height = new Float64Array(256);
    let x = R;
    width[255] = x / LEVELS;
    height[255] = Math.exp(-0.5 * x * x);
    inside[0] = Math.floor(((x * height[255]) / AREA) * LEVELS);
    width[0] = AREA / height[255] / LEVELS;
    height[0] = 1;
    for (let i = 254; i > 0; --i) {
      const next = Math.sqrt(-2 * Math.log(AREA / x + height[i + 1]));
      inside[i + 1] = Math.floor((next / x) * LEVELS);
      width[i] = next / LEVELS;
      height[i] = Math.exp(-0.5 * next * next);
      x = next;
    }
    return { inside, width, height };
  })();

  /**
   * A generator as `np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))`.
   *
   * @param {number} seed @param {number[]} [key]
   */
  function generator(seed, key = []) {
    const [high, low, highOdd, lowOdd] = seeds(seed, key);
    const increment = ((((highOdd << 64n) | lowOdd) << 1n) | 1n) & MASK128;
    let state = 0n;
    const step = () => {
      state = (state * MULTIPLIER + increment) & MASK128;
    };
    step();
    state = (state + ((high << 64n) | low)) & MASK128;
    step();

    /** 64 random bits. */
    function bits() {
      step();
      const value = (state >> 64n) ^ (state & MASK64);
      const turn = state >> 122n;
      return turn ? ((value >> turn) | (value << (64n - turn))) & MASK64 : value;
    }

    /** @type {number | null} The half of 64 bits that is not used yet. */
    let kept = null;
    function bits32() {
      if (kept !== null) {
        const value = kept;
        kept = null;
        return value;
      }
      const both = bits();
      kept = Number(both >> 32n);
      return Number(both & 0xffffffffn);
    }

    /** A number from 0 to less than 1. */
    const unit = () => Number(bits() >> 11n) / 2 ** 53;

    /** A whole number from 0 to `most`, by rejection. @param {number} most */
    function upTo(most) {
      const mask = 2 ** (32 - Math.clz32(most)) - 1;
      for (;;) {
        const value = (bits32() & mask) >>> 0;
        if (value <= most) return value;
      }
    }

    function normal() {
      const { inside, width, height } = ziggurat;
      for (;;) {
        const drawn = bits();
        const layer = Number(drawn & 0xffn);
        const size = Number((drawn >> 9n) & 0xfffffffffffffn);
        const x = (drawn >> 8n) & 1n ? -size * width[layer] : size * width[layer];
        if (size < inside[layer]) return x;
        if (layer === 0) {
          for (;;) {
            const beyond = -Math.log1p(-unit()) / R,
              y = -Math.log1p(-unit());
            if (y + y > beyond * beyond) return (drawn >> 17n) & 1n ? -(R + beyond) : R + beyond;
          }
        }
        const at = height[layer] + (height[layer - 1] - height[layer]) * unit();
        if (at < Math.exp(-0.5 * x * x)) return x;
      }
    }

    return {
      /** @param {number} low @param {number} high @param {number} count */
      uniform: (low, high, count) => Float64Array.from({ length: count }, () => low + (high - low) * unit()),
      /** @param {number} count */
      normal: (count) => Float64Array.from({ length: count }, normal),
      /** Each of the two numbers with the same probability. @param {[number, number]} pair @param {number} count */
      either: (pair, count) => Float64Array.from({ length: count }, () => pair[bits32() >>> 31]),
      /** @param {number} count */
      permutation(count) {
        const order = Int32Array.from({ length: count }, (_, i) => i);
        for (let i = count - 1; i > 0; --i) {
          const j = upTo(i);
          [order[i], order[j]] = [order[j], order[i]];
        }
        return order;
      },
    };
  }

  // The keys of the streams, as in Python: training/batches.py, playground/data.py, tabledata.py.
  const STREAM = { order: 1, split: 2, data: 3, sample: 4 };

  return { generator, STREAM };
})();
DR.random = randomModule;

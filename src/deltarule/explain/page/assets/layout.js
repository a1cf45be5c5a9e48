// @ts-check
// Where the parts of a drawing stand, in pixels of the screen: the network fills the room that it is
// given, and its letters keep the size of the text of the page, whatever the number of nodes.
"use strict";

const layoutModule = (function () {
  const { clamp, cut, textWidth } = DR.dom;

  // All in pixels, for text of the usual size; the reader's size of text multiplies them.
  const NARROW = 520; // a room less wide than this is laid out as on a phone
  const LYING = 500; // a window less high is that of a phone on its side
  const KEPT = 0.85; // of the size of the pictures in the nodes, with larger text
  const RADIUS = { least: 9, close: 7.6, picture: 12, middling: 20, roomy: 22, most: 42 };
  const PITCH = { least: 33, close: 30.2, most: 140, narrow: 66 }; // from node to node
  const BELOW = 15; // under a node, for a number
  const FREE = { wide: 78, narrow: 18 }; // between two columns of nodes, for lines and labels
  // For the labels of the terms of a sum, with its total (flow.js), of which larger text takes nothing.
  const TERMS = 92;
  // What of a larger text the numbers of such a drawing have: more than half of it stays in sight.
  const GROWTH = { power: 0.75, most: 1.75, narrower: 0.9 };
  const NAMED = 58; // rows of outputs that are closer have no room for a name above a target
  const HIDDEN = 0.4; // of a line, that its label may cover
  const FONT = { text: 12, dense: 11, least: 11 };

  /** The weight of a column's dots and of its constant 1, as parts of a node's row. */
  const DOTS = 0.6;
  const ONE = 0.75;

  /** @type {Map<string, Map<string, number>>} Widths of characters, by font. */
  const widths = new Map();

  /**
   * How wide a number is as text, from the widths of its characters: numbers change with every frame.
   *
   * @param {string} text @param {number} size @param {number} [weight]
   */
  function numberWidth(text, size, weight = 600) {
    const font = `${weight} ${size}px`;
    const known = widths.get(font) ?? new Map();
    widths.set(font, known);
    let sum = 0;
    for (const letter of text) {
      let wide = known.get(letter);
      if (wide === undefined) {
        wide = textWidth(letter, font);
        known.set(letter, wide);
      }
      sum += wide;
    }
    return sum;
  }

  /**
   * The first of several texts that is not wider than the room; the last if none is.
   *
   * @param {string[]} texts @param {number} room @param {number} size @param {number} [weight]
   */
  const fitting = (texts, room, size, weight) =>
    texts.find((text) => numberWidth(text, size, weight) <= room) ?? /** @type {string} */ (texts.at(-1));

  /**
   * A number as exact as there is room for: in full where `full` is true, then in fewer digits.
   *
   * @param {number} x @param {number} room @param {number} size
   * @param {{ digits?: number, full?: boolean, weight?: number }} [options]
   */
  function numberIn(x, room, size, { digits = 4, full = false, weight = 600 } = {}) {
    const { brief } = DR.dom;
    const shorter = [4, 3, 2, 1].filter((n) => n <= digits).map((n) => brief(x, n));
    return fitting(full ? [DR.number(x), ...shorter] : shorter, room, size, weight);
  }

  /**
   * A name cut to the room there is; on a phone it keeps its end, which tells "pixel 0,3" from "pixel 0,4",
   * and where that has no room, the level of a category: "=north" of "region=north".
   *
   * @param {string} name @param {number} room @param {string} font @param {number} [kept]
   */
  function nameIn(name, room, font, kept = 0) {
    if (textWidth(name, font) <= room) return name;
    let low = 1,
      high = Math.min(Array.from(name).length, 60);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const ending = middle > 2 * kept ? kept : 0;
      if (textWidth(cut(name, middle, ending), font) <= room) low = middle;
      else high = middle - 1;
    }
    const level = low > 2 * kept ? -1 : name.indexOf("=");
    if (kept && level > 0) return nameIn(name.slice(level), room, font);
    return cut(name, low, low > 2 * kept ? kept : 0);
  }

  /**
   * The sizes of nodes and letters for a pitch.
   *
   * @param {Page.Room} room @param {number} pitch @param {number} most the largest radius that is tried
   * @returns {Page.Sizes}
   */
  function sizesOf({ scale: A, pictured, close }, pitch, most) {
    const tall = pitch - BELOW * A;
    const r = clamp(
      (pictured ? tall : Math.min(tall, 0.72 * pitch)) / 2,
      (close ? RADIUS.close : RADIUS.least) * A,
      most,
    );
    const u = A * clamp(r / (25 * A), 1, 1.4);
    const roomy = r >= RADIUS.roomy * A;
    const font = r < RADIUS.middling * A ? FONT.dense * A : FONT.text * u;
    const digits = r >= 24 * A ? 3 : 2;
    const half = numberWidth(`\u2212${(0).toFixed(digits)}`, font) / 2;
    // A circle if the number has room in it, at the height that it stands at.
    const low = roomy ? 0.36 * r + 0.1 * font : 0.4 * font;
    const fits = pictured || (r > low && Math.sqrt(r * r - low * low) >= half + 0.5);
    const own = fits ? r : Math.max(r, half + 5 * A);
    return { r, u, roomy, font, digits, half: own, side: pictured ? Math.max(r, 23 * A) : own };
  }

  /**
   * The layout in a room with nodes of at most a radius; the loss at the right, below all nodes, or in the
   * corner below the outputs. Null where that is not free.
   *
   * @param {Page.Network} net @param {Page.Counted[]} counted @param {string[]} names of the drawn inputs
   * @param {boolean} called whether outputs have names @param {Page.Room} room @param {number} largest @param {Page.LossPlace} place
   * @param {boolean} [tight] no room for labels between the columns, and little for names
   * @returns {Page.Layout | null}
   */
  function attempt(net, counted, names, called, room, largest, place, tight = false) {
    const { scale: A } = room,
      below = place !== "right";
    const narrow = room.width < NARROW;
    const most = Math.max(...counted.map(({ rows }) => rows));
    const some = counted.some((column) => column.some);
    const closest = (room.close ? PITCH.close : PITCH.least) * A;
    let sizes = sizesOf(room, closest, largest),
      pitch = 0,
      top = 0;
    for (let pass = 0; pass < 2; ++pass) {
      top = (some ? 56 : 42) * sizes.u;
      // A phone's page is scrolled anyway, and so is one with larger text.
      const free =
        room.height - top - (place === "below" && !narrow && (A <= 1 || room.close) ? 92 : 10) * sizes.u;
      pitch = clamp(free / most, closest, (narrow ? PITCH.narrow : PITCH.most) * A);
      sizes = sizesOf(room, pitch, largest);
    }
    const { u, half, side } = sizes;
    const font = `500 ${FONT.text * u}px`;
    const longest = Math.max(...names.map((name) => textWidth(name, font)));
    const named = names.length
      ? Math.min(longest, Math.max((tight ? 0.12 : 0.2) * room.width, 40 * A))
      : 24 * u;
    const left = named + (narrow ? 7 : 10) * u + side + 3;
    // Half of a target's box, which has its name in it where the rows are close.
    const box = (narrow ? 24 : called && pitch < NAMED * u ? 46 : 36) * u;
    const end = 58 * u; // half of the loss's
    let gap = Math.max(2 * half + (narrow || tight ? FREE.narrow * A : FREE.wide * u), 55 * u);
    let toTarget = half + (narrow ? 7 : 16) * A + box;
    let toLoss = box + 24 * u + end;
    const after = below ? box + (narrow ? 14 : 30) * u : toLoss + end + 7 * u;
    const least = left + net.L * gap + toTarget + after;
    const slack = Math.max(0, room.width - least);
    const shares = net.L + (below ? 0.35 : 0.7);
    gap += slack / shares;
    toTarget += (0.35 * slack) / shares;
    toLoss += below ? 0 : (0.35 * slack) / shares;
    const out = left + net.L * gap;
    const middle = top + (most * pitch) / 2;
    const bottom = top + most * pitch + 10 * u;
    const width = Math.max(least, room.width);
    const columns = counted.map((column) => {
      const { l, nodes, some, bias, rows } = column;
      const first = middle - (rows * pitch) / 2 + pitch / 2 - 0.5 * (BELOW * A - 2);
      const next = first + nodes.length * pitch + (some ? DOTS * pitch : 0);
      return {
        ...column,
        x: left + l * gap,
        y: new Map(nodes.map((j, place) => [j, first + place * pitch])),
        dots: some ? first + (nodes.length - 1) * pitch + sizes.r + (BELOW + 9.5) * A : null,
        // Below the number under the last node.
        biasY: bias
          ? Math.max(next - 0.5 * (1 - ONE) * pitch, next - pitch + sizes.r + (BELOW + 12) * A)
          : null,
      };
    });
    const loss =
      place === "right"
        ? { x: out + toTarget + toLoss, y: middle, half: end, below }
        : { x: width - end - 7 * u, y: bottom + (place === "below" ? 38 : -34) * u, half: end, below };
    if (place === "corner" && !isFree(columns, sizes, A, loss.x - end - 8 * u, loss.y - 68 * u)) return null;
    return {
      ...sizes,
      ...room,
      columns,
      pitch,
      gap,
      narrow,
      named,
      names: font,
      width,
      height: place === "below" ? bottom + 82 * u : bottom,
      target: { x: out + toTarget, half: box },
      loss,
      enlarged: 1,
    };
  }

  /**
   * Whether no node, number or line is in the corner that begins at a place, but for lines to the output.
   *
   * @param {Page.Column[]} columns @param {Page.Sizes} sizes @param {number} scale @param {number} left @param {number} top
   */
  function isFree(columns, { r, half }, scale, left, top) {
    const [before, last] = columns.slice(-2);
    const lowest = Math.max(...last.y.values(), last.dots ?? 0);
    const from = Math.max(...before.y.values(), before.dots ?? 0, before.biasY ?? 0);
    // The lowest line, where it comes over the corner.
    const line = lowest + ((from - lowest) * Math.max(0, last.x - left)) / (last.x - before.x);
    return before.x + half + 12 * scale < left && Math.max(lowest + r + BELOW * scale, line) < top;
  }

  /**
   * Places for the nodes drawn. Nodes become smaller, and the loss goes below the outputs, before the
   * drawing becomes wider than its room, and closer together where that brings all of it in sight. With
   * larger text all of it is larger, as far as the window goes: a drawing that is in sight as a whole at
   * the usual size of text stays so, and one that has the width of its room; its pictures become little
   * smaller. Where sums are shown it goes beyond the window, in a frame that scrolls: `enlarged` says by
   * what factor.
   *
   * @param {Page.Network} net @param {number[][]} nodes @param {{ inputs: string[], outputs: string[] }} names
   * @param {Page.Room} room @returns {Page.Layout}
   */
  function layout(net, nodes, names, room) {
    const most = Math.max(room.most, room.height / room.scale);
    /** @param {number} scale @param {boolean} [close] */
    const at = (scale, close = false) => {
      const height = Math.min((room.height / room.scale) * scale, most);
      return atScale(net, nodes, names, { ...room, height, scale, close });
    };
    /** @param {Page.Layout} found */
    const inSight = (found) => found.height <= room.most;
    /** @param {Page.Layout} found */
    const inWidth = (found) => found.width <= room.width + 0.5;
    /** @param {number} scale */
    const closer = (scale) => {
      const found = at(scale);
      if (inSight(found)) return found;
      const other = at(scale, true);
      return inSight(other) && inWidth(other) ? other : found;
    };
    if (room.scale <= 1) return closer(room.scale);
    const usual = closer(1);
    const [high, wide] = [inSight(usual), inWidth(usual)];
    /** @param {Page.Layout} found */
    const between = ({ gap, half, u }) => (gap - 2 * half) / u;
    const free = Math.min(between(usual), TERMS);
    /** Whether labels have their room, and nodes their size and digits. @param {Page.Layout} found */
    const readable = (found) =>
      !room.terms ||
      (between(found) >= free - 1e-9 && found.half >= 0.95 * usual.half && found.digits === usual.digits);
    /** @param {Page.Layout} found */
    const enlarged = (found) => {
      if (!room.terms || found.narrow) return found;
      // A room that is a little less wide may have the loss elsewhere, and larger letters.
      const [width, high] = [GROWTH.narrower * room.width, room.height / room.scale];
      const other = layout(net, nodes, names, { ...room, scale: 1, height: high, width });
      const wanted = Math.min(room.scale ** GROWTH.power, GROWTH.most) * Math.max(usual.u, other.u);
      const best = other.u > found.u ? other : found;
      return { ...best, enlarged: Math.max(1, wanted / best.u) };
    };
    for (let scale = room.scale; scale > 1; scale /= 1.02) {
      const smaller = closer(scale);
      const kept = !high || !room.pictured || smaller.r >= KEPT * usual.r;
      if (kept && readable(smaller) && (!high || inSight(smaller)) && (!wide || inWidth(smaller)))
        return enlarged(smaller);
    }
    return enlarged(usual);
  }

  /**
   * The layout of `layout` with letters of the size that the room says.
   *
   * @param {Page.Network} net @param {number[][]} nodes @param {{ inputs: string[], outputs: string[] }} names
   * @param {Page.Room} room @returns {Page.Layout}
   */
  function atScale(net, nodes, { inputs, outputs }, room) {
    const counted = nodes.map((drawn, l) => {
      const some = drawn.length < net.widths[l];
      const bias = net.bias && l < net.L;
      const rows = drawn.length + (some ? DOTS : 0) + (bias ? ONE : 0);
      return { l, nodes: drawn, total: net.widths[l], some, bias, rows };
    });
    const given = nodes[0].filter((k) => !DR.plan.isPlain(inputs[k] ?? `x_${k}`, k)).map((k) => inputs[k]);
    const called = outputs.length > 1 && !outputs.every(DR.plan.isPlain);
    const narrow = room.width < NARROW;
    /** @param {number} r @param {Page.LossPlace} place @param {boolean} [tight] */
    const tried = (r, place, tight) =>
      attempt(net, counted, given, called, room, r * room.scale, place, tight);
    // As large as the height allows; a little smaller with the loss at the right; then with it below.
    const right = /** @type {Page.Layout} */ (tried(RADIUS.most, narrow ? "below" : "right"));
    const full = right.r / room.scale;
    const least = Math.min(full, room.pictured ? RADIUS.picture : 11);
    // Only small nodes, and pictures, need the height that a loss below them would take.
    const below = /** @type {Page.Layout} */ (tried(RADIUS.most, "below"));
    const small = room.pictured || below.r < RADIUS.middling * room.scale;
    const corner = small ? Math.max(least, 0.8 * full) : Infinity;
    /** @type {[place: Page.LossPlace, least: number, tight: boolean][]} */
    const ways = [
      ["right", Math.max(least, 0.72 * full), Boolean(room.close)],
      ["corner", corner, false],
      ["corner", corner, true],
      ["below", least, false],
      ["right", least, false],
      ["below", RADIUS.least, true],
    ];
    for (const [place, low, tight] of ways)
      for (let r = full; !(narrow && place === "right") && r >= low - 1e-9; r *= 0.9) {
        const found = tried(r, place, tight);
        if (found && found.width <= room.width + 0.5) return found;
      }
    return /** @type {Page.Layout} */ (tried(RADIUS.least, "below", true));
  }

  /**
   * How far from the middle of a node a line in a direction leaves it: a circle, an ellipse in a wider
   * node, a square with round corners around a picture.
   *
   * @param {Page.Layout} plan @param {number} ux @param {number} uy
   */
  const edgeOf = ({ pictured, half, r }, ux, uy) =>
    pictured
      ? Math.min(r / Math.max(Math.abs(ux), Math.abs(uy)), 1.27 * r)
      : 1 / Math.hypot(ux / half, uy / r);

  /**
   * Places that a label must leave free: [left, top, right, bottom] of nodes with their numbers, of
   * names, headings, targets and the loss.
   *
   * @param {Page.Drawing} view @returns {Page.Rect[]}
   */
  function taken(view) {
    const { plan } = view;
    const { r, half, scale: A, u, loss } = plan;
    /** @type {Page.Rect[]} */
    const list = [];
    for (const part of view.parts.values()) {
      if (!part.face) continue;
      const under = numberWidth(part.under.textContent ?? "", FONT.least * A, 500) / 2;
      const wide = Math.max(part.half ?? half, plan.side, under) + 2;
      list.push([part.x - wide, part.y - r - 4, part.x + wide, part.y + r + BELOW * A]);
    }
    for (const { x, biasY, dots } of plan.columns) {
      if (biasY !== null) list.push([x - 14 * A, biasY - 14 * A, x + 14 * A, biasY + 14 * A]);
      if (dots !== null) list.push([x - 8 * A, dots - 14 * A, x + 8 * A, dots + 10 * A]);
    }
    list.push([loss.x - loss.half, loss.y - 36 * u, loss.x + loss.half, loss.y + 36 * u]);
    return list.concat(DR.parts.fixedBoxes(view));
  }

  /** @param {Page.Rect} a @param {Page.Rect} b */
  const overlap = (a, b) =>
    Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) *
    Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));

  /**
   * How much of a line is in a box, from 0 to 1.
   *
   * @param {Page.Segment} line @param {Page.Rect} box
   */
  function shareIn({ x1, y1, x2, y2 }, [left, top, right, bottom]) {
    let [from, to] = [0, 1];
    for (const [start, way, low, high] of [
      [x1, x2 - x1, left, right],
      [y1, y2 - y1, top, bottom],
    ]) {
      if (way === 0 && (start < low || start > high)) return 0;
      const ends = way === 0 ? [0, 1] : [(low - start) / way, (high - start) / way];
      from = Math.max(from, Math.min(...ends));
      to = Math.min(to, Math.max(...ends));
    }
    return Math.max(0, to - from);
  }

  /**
   * Where a label of one of several sizes stands: on its line if it covers nothing there, and most of
   * the line is seen beside it, else in the nearest free place.
   *
   * @param {Page.Layout} plan @param {Page.Segment} line @param {[width: number, height: number][]} sizes
   * @param {Page.Rect[]} full
   * @returns {{ x: number, y: number, size: number, on: boolean }} its middle, and which of the sizes
   */
  function place(plan, line, sizes, full) {
    const { x1, y1, x2, y2 } = line;
    /** @type {{ x: number, y: number, size: number, on: boolean, covers: number } | null} */
    let best = null;
    /** @param {number} size @param {number} x @param {number} y @param {boolean} on */
    const free = (size, x, y, on) => {
      const [w, h] = sizes[size];
      const at = {
        x: clamp(x, w / 2 + 1, plan.width - w / 2 - 1),
        y: clamp(y, h / 2 + 1, plan.height - h / 2 - 1),
      };
      /** @type {Page.Rect} */
      const own = [at.x - w / 2, at.y - h / 2, at.x + w / 2, at.y + h / 2];
      const hidden = shareIn(line, own);
      const much = hidden > (on ? HIDDEN : 0) ? 100 * hidden : 0;
      const covers = full.reduce((sum, other) => sum + overlap(own, other), much);
      if (!best || covers < best.covers - 0.5) best = { ...at, size, on, covers };
      return covers < 0.5;
    };
    for (let size = 0; size < sizes.length; ++size)
      for (const t of [0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74])
        if (free(size, x1 + t * (x2 - x1), y1 + t * (y2 - y1), true) && best) return best;
    const step = 9,
      long = Math.hypot(x2 - x1, y2 - y1) ** 2 || 1;
    /** @type {[x: number, y: number, far: number][]} */
    const spots = [];
    for (let x = step; x < plan.width; x += step)
      for (let y = step; y < plan.height; y += step) {
        const t = clamp(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / long, 0.2, 0.8);
        spots.push([x, y, Math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1))]);
      }
    spots.sort((a, b) => a[2] - b[2]);
    for (const [x, y] of spots)
      for (let size = 0; size < sizes.length; ++size) if (free(size, x, y, false) && best) return best;
    return /** @type {any} */ (best);
  }

  return { NARROW, LYING, NAMED, layout, numberIn, nameIn, numberWidth, edgeOf, taken, place };
})();
DR.layout = layoutModule;

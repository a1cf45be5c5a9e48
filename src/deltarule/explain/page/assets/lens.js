// @ts-check
// The gradient lens: the sizes of weights, activations and gradients in each layer, at the step that
// is explained and over training; the layers that are marked, with advice; the rows with the largest
// gradients; attributions of outputs to inputs.
//
// The numbers of the layers were computed in Python, over all rows. Attributions are computed here.
"use strict";

const lensModule = (function () {
  /** @type {Page.MeasureName[]} */
  const COLUMNS = [
    "weight_rms",
    "activation_rms",
    "delta_rms",
    "delta_ratio",
    "gradient_norm",
    "snr",
    "update_ratio",
    "dead",
    "saturated",
  ];
  const SHARES = new Set(["dead", "saturated", "flat"]);
  /** @type {Record<string, string>} */
  const SIGNS = {
    vanishing: "▼",
    exploding: "▲",
    dead: "✕",
    saturated: "■",
    "large step": "»",
    "small step": "›",
  };
  const LISTED = 12;

  /** A number of the lens; those that are not finite come as text. @param {Page.JsonNumber} value */
  const num = (value) => Number(value);
  /** @param {number} x */
  const percent = (x) => (x === 0 || x >= 0.01 ? `${Math.round(100 * x)} %` : "under 1 %");

  /** A number of the lens in a few characters. @param {string} name @param {number} value */
  function shown(name, value) {
    if (Number.isNaN(value)) return "–";
    return SHARES.has(name) ? percent(value) : DR.dom.brief(value);
  }

  /**
   * A table's cell with a number: few digits on the screen, more in its title, all of them for tests.
   *
   * @param {number} value @param {string} text @param {Page.Attributes} [data]
   */
  const number = (value, text, data) =>
    DR.dom.el("td", {
      ...data,
      class: "lens-number",
      "data-value": String(value),
      title: Number.isNaN(value) ? "not defined here" : DR.number(value),
      text,
    });

  /** @param {Page.Lens} lens @param {string} name */
  const measureOf = (lens, name) =>
    /** @type {Page.Lens["measures"][number]} */ (lens.measures.find((each) => each.name === name));

  /**
   * A box that scrolls, for the keyboard as well.
   *
   * @param {string} name @param {string} className @param {Page.Child[]} children
   */
  const scroll = (name, className, ...children) =>
    DR.dom.el(
      "div",
      { class: `scroll ${className}`, tabindex: 0, role: "region", "aria-label": name },
      ...children,
    );

  /** A table's head: texts, and in brackets those over numbers. @param {(string | [Page.Child])[]} items */
  const headings = (...items) => {
    const { el } = DR.dom;
    /** @param {string | [Page.Child]} item */
    const cell = (item) =>
      Array.isArray(item)
        ? el("th", { scope: "col", class: "lens-number" }, ...item)
        : el("th", { scope: "col" }, item);
    return el("thead", {}, el("tr", {}, ...items.map(cell)));
  };

  /**
   * Which recorded step of the lens the page shows; −1 if it is none of them.
   *
   * @param {Page.Lens} lens @param {Page.Store} store
   */
  function recordedStep(lens, store) {
    const { step } = store.current();
    return step === null || step === undefined ? -1 : lens.over.steps.indexOf(step);
  }

  /** Whether the page shows the very θ that the lens was taken at. @param {Page.Store} store */
  const isOwn = (store) => store.state.state === store.payload.reference.state;

  /** @param {string} kind */
  function mark(kind) {
    const sign = DR.dom.el("span", { "aria-hidden": "true", text: `${SIGNS[kind] || "!"} ` });
    return DR.dom.el("span", { class: "lens-mark" }, sign, kind);
  }

  /** Advice: what was seen, why, what to do. @param {Page.Lens} lens */
  function adviceList(lens) {
    const { el } = DR.dom;
    if (!lens.advice.length && lens.judged && !lens.judged.judges) {
      const { rows, of } = lens.judged;
      const some = rows === of ? `${rows}` : `${rows} of ${DR.text.count(of)}`;
      return el("p", {
        class: "note",
        text: `Nothing is marked; ${some} rows are too few to say whether a node is dead or saturated.`,
      });
    }
    if (!lens.advice.length) {
      return el("p", {
        class: "note",
        text: "Nothing is marked: no layer vanishes, explodes, is dead or saturated.",
      });
    }
    /** @param {Page.Lens["advice"][number]} each */
    const item = (each) =>
      el(
        "li",
        { class: each.serious ? "serious" : null },
        el("p", {}, el("strong", {}, mark(each.kind)), `: ${each.seen}`),
        el("p", { class: "note", text: each.why }),
        el("p", { text: each.what }),
      );
    return el("ul", { class: "lens-advice" }, ...lens.advice.map(item));
  }

  /**
   * Says by which rows nodes are judged dead or saturated, if not by those of the table.
   *
   * @param {Page.Lens} { judged, rows }
   */
  function judgedBy({ judged, rows }) {
    if (!judged || (judged.rows === rows && judged.of === rows && judged.judges)) return "";
    const { count } = DR.text;
    const some = judged.rows === judged.of ? "" : ` of ${count(judged.of)}`;
    return judged.judges
      ? ` Dead and saturated are judged by ${count(judged.rows)}${some || " (all)"} rows of the training.`
      : ` Dead and saturated are of these ${count(judged.rows)}${some} rows only: too few to judge a node by.`;
  }

  /**
   * The table of the layers; its numbers follow the step that is shown, where it was recorded.
   *
   * @param {Page.Lens} lens @param {Page.Store} store
   */
  function layerTable(lens, store) {
    const { el } = DR.dom;
    const stepKnown =
      lens.layers.some((each) => !Number.isNaN(num(each.update_ratio))) || lens.over.steps.length > 0;
    const known = COLUMNS.filter((name) => name !== "update_ratio" || stepKnown);
    const caption = el("caption", {});
    const body = el("tbody", {});
    /** @param {string} name */
    const named = (name) => {
      const { label: text, words } = measureOf(lens, name);
      return el("span", { title: words, text });
    };
    const head = headings(
      "layer",
      ["nodes"],
      "activation",
      ...known.map((name) => /** @type {[Page.Child]} */ ([named(name)])),
      "marks",
    );
    const words = known.flatMap((name) => [
      el("dt", { text: measureOf(lens, name).label }),
      el("dd", { text: measureOf(lens, name).words }),
    ]);
    const box = el(
      "div",
      {},
      scroll("Numbers of each layer", "", el("table", { class: "lens-table" }, caption, head, body)),
      el(
        "details",
        {},
        el("summary", { text: "What these numbers are" }),
        el("dl", { class: "lens-words" }, ...words),
      ),
    );

    /** @param {Page.LensLayer} layer @param {number} at the recorded step; −1: the lens's own */
    function row(layer, at) {
      const numbers = known.map((name) => {
        const value = num(at < 0 ? layer[name] : lens.over.series[name][at][layer.layer - 1]);
        return number(value, shown(name, value), { "data-lens": `${name},${layer.layer}` });
      });
      const marks = layer.marks.map((kind) => el("div", {}, mark(kind)));
      return el(
        "tr",
        {},
        el("th", { scope: "row", text: layer.layer }),
        el("td", { class: "lens-number", text: layer.nodes }),
        el("td", { text: layer.activation }),
        ...numbers,
        el("td", {}, ...(marks.length ? marks : ["–"])),
      );
    }

    /** @param {number} at */
    function captionOf(at) {
      const rows = `Over ${DR.text.count(at >= 0 ? lens.over.rows || lens.rows : lens.rows)} rows`;
      const { changed } = store.seen();
      if (at >= 0) {
        const { label: name } = store.current();
        const before = name.startsWith("before") ? ` (${name})` : "";
        return (
          `${rows} after step ${lens.over.steps[at]}${before}, C = ${DR.number(num(lens.over.cost[at]))}; ` +
          "the marks are those of the step that is explained."
        );
      }
      const other = isOwn(store)
        ? ""
        : " These are of the step that is explained: the one shown was not measured.";
      const nudge = changed ? " They are of the network as it was, without the change of “what if”." : "";
      return `${rows}, C = ${DR.number(num(lens.cost))}.${other}${judgedBy(lens)}${nudge}`;
    }

    const show = () => {
      const at = isOwn(store) ? -1 : recordedStep(lens, store);
      caption.textContent = captionOf(at);
      body.replaceChildren(...lens.layers.map((layer) => row(layer, at)));
    };
    return Object.assign(box, { show });
  }

  /**
   * Bars of dead and saturated nodes, with buttons to the nodes themselves.
   *
   * @param {Page.Lens} lens @param {Page.Store} store
   */
  function nodeBars(lens, store) {
    const { el } = DR.dom;
    const layers = lens.layers.filter((each) => !Number.isNaN(num(each.dead)));
    if (!layers.length) return null;
    const judges = !lens.judged || lens.judged.judges;
    const words = judges
      ? { dead: "dead", saturated: "saturated" }
      : { dead: "without slope in these rows", saturated: "flat in most of them" };

    /** @param {Page.LensLayer} layer @param {number[]} numbers @param {string} word */
    function nodes(layer, numbers, word) {
      if (!numbers.length) return null;
      /** @param {number} j */
      const select = (j) => () => store.set({ selected: { kind: "node", layer: layer.layer, j } });
      const buttons = numbers.slice(0, LISTED).map((j) =>
        el("button", {
          type: "button",
          class: "link",
          text: j,
          onclick: select(j),
          "aria-label": `Show ${word} node ${j} of layer ${layer.layer}`,
        }),
      );
      const others = numbers.length - LISTED;
      return el(
        "p",
        { class: "lens-nodes" },
        `${numbers.length} of ${layer.nodes} ${word}: `,
        ...buttons.flatMap((button) => [button, " "]),
        others > 0 ? `and ${others} others` : null,
      );
    }

    /** @param {Page.LensLayer} layer */
    function row(layer) {
      const dead = num(layer.dead),
        saturated = num(layer.saturated) || 0;
      /** @param {string} name @param {number} share */
      const bar = (name, share) => el("span", { class: name, style: `width: ${100 * share}%` });
      return el(
        "div",
        { class: "lens-bar-row" },
        el("span", {
          class: "lens-bar-name",
          text: `Layer ${layer.layer}: ${percent(dead)} ${words.dead}, ${percent(saturated)} ${words.saturated}`,
        }),
        el(
          "div",
          { class: "lens-bar", "aria-hidden": "true" },
          bar("dead", dead),
          bar("saturated", saturated),
        ),
        nodes(layer, layer.dead_nodes, words.dead),
        nodes(layer, layer.saturated_nodes, words.saturated),
      );
    }
    const note = judgedBy(lens).trim();
    return el(
      "div",
      {},
      note ? el("p", { class: "note", text: note }) : null,
      el("div", { class: "lens-bars" }, ...layers.map(row)),
    );
  }

  /**
   * The rows with the largest gradients; those in the page can be chosen.
   *
   * @param {Page.Lens} lens @param {Page.Store} store
   */
  function hardest(lens, store) {
    const { el } = DR.dom;
    const names = store.payload.names.rows;
    const most = lens.hardest.length ? num(lens.hardest[0].share) || 1 : 1;
    const rows = lens.hardest.map((each) => {
      const at = names.indexOf(each.name);
      const share = num(each.share),
        norm = num(each.norm),
        loss = num(each.loss);
      const button = el("button", {
        type: "button",
        class: "link",
        text: `row ${each.name}`,
        "data-row": each.name,
        "aria-pressed": "false",
        onclick: () => store.set({ sample: at, mode: "sample" }),
      });
      const bar = el("span", {
        class: "lens-share-bar",
        "aria-hidden": "true",
        style: `width: ${(100 * share) / most}%`,
      });
      return {
        at,
        button,
        row: el(
          "tr",
          {},
          el("th", { scope: "row", title: each.name }, at < 0 ? `row ${each.name}` : button),
          el("td", { class: "lens-share" }, bar, el("span", { text: `${DR.dom.brief(100 * share, 2)} %` })),
          number(norm, DR.dom.brief(norm)),
          number(loss, DR.dom.brief(loss)),
        ),
      };
    });
    const table = el(
      "table",
      { class: "lens-table" },
      el("caption", { text: "wᵢ ‖∂Cᵢ/∂θ‖ of each row, the largest first" }),
      headings("row", "share of the pull", ["‖∂Cᵢ/∂θ‖"], ["Cᵢ"]),
      el("tbody", {}, ...rows.map((each) => each.row)),
    );
    const absent = rows.some((each) => each.at < 0);
    const box = el(
      "div",
      {},
      scroll("The rows that pull hardest", "lens-rows", table),
      absent
        ? el("p", { class: "note", text: "Rows without a link are not among those that this page carries." })
        : null,
    );
    const show = () => {
      for (const each of rows) DR.dom.put(each.button, "aria-pressed", each.at === store.state.sample);
    };
    return Object.assign(box, { show });
  }

  /**
   * Fills `element`, and follows the store.
   *
   * Attributions take a while: a part that is slow is computed a moment later, and only while the lens
   * is on the screen.
   *
   * @param {HTMLElement} element @param {Page.Lens | null} lens @param {Page.Store} store
   */
  function mount(element, lens, store) {
    const { el } = DR.dom;
    /** @type {Page.LensBox[]} */
    let parts = [];
    let visible = false,
      waiting = false;
    /** @param {boolean} slow */
    const show = (slow) => {
      for (const each of parts) if (each.show && Boolean(each.slow) === slow) each.show();
    };

    /** @param {Page.Lens | null} from */
    function build(from) {
      /** @type {Element[]} */
      const sections = [];
      /** @param {string} title @param {Page.LensBox | null} box */
      const add = (title, box) => {
        if (!box) return;
        parts.push(box);
        sections.push(el("section", { class: "lens-part" }, el("h3", { text: title }), box));
      };
      parts = [];
      if (from) {
        add("What is marked", adviceList(from));
        add("Layer by layer", layerTable(from, store));
        const judges = !from.judged || from.judged.judges;
        add(judges ? "Dead and saturated nodes" : "Nodes without slope in these rows", nodeBars(from, store));
        add("Over training", from.over.steps.length > 1 ? DR.lensCharts(from, store) : null);
        add("Which rows pull hardest", hardest(from, store));
      }
      add("What a row's output owes to its inputs", DR.lensAttributions(from, store));
      element.classList.add("lens");
      element.replaceChildren(...sections);
    }

    function later() {
      if (!visible || waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        show(true);
      }, 30);
    }

    store.subscribe((_, changed) => {
      if (changed.has("payload")) build(store.payload.lens);
      if (!["payload", "state", "sample", "nudge"].some((key) => changed.has(key))) return;
      show(false);
      // A slow part shows another sample's numbers until it is computed; what it computes is of those.
      for (const each of parts) {
        if (!each.slow) continue;
        each.stop?.();
        DR.dom.put(each, "aria-busy", true);
      }
      later();
    });
    build(lens);
    show(false);
    DR.dom.onSight(
      element,
      (inSight) => {
        visible = inSight;
        later();
      },
      { rootMargin: "200px" },
    );
  }

  return { mount, shown, num, measureOf, recordedStep, scroll, headings, number };
})();
DR.lens = lensModule;

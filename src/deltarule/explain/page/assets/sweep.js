// @ts-check
// The sweep: the forward and the backward pass node by node or layer by layer, played or stepped.
//
// A step is {direction, layer, node}: the drawing shows what is computed up to there and adds up the
// step's sum (flow.js), the derivation is that of the node, and the caption says in a sentence what
// this step computes, with the number of the formula.
"use strict";

const sweepModule = (function () {
  const { el, iconButton, choice, shown, clamp } = DR.dom;
  const { layer: layerNumber, sub, symbols, count } = DR.text;
  const M = DR.maths;
  // Milliseconds to read the numbers of a step, and to look at a layer.
  const PAUSE = 350,
    BY_LAYER = 1000;

  /**
   * All steps in order: the inputs, every node forward, the loss, every node backward, the inputs
   * again. Each drawn node of a large layer is a step, and the others together are one more.
   *
   * @param {Page.Store} store @param {boolean} byNode
   */
  function steps(store, byNode) {
    const { L, widths } = store.net;
    /** @type {Page.SweepStep[]} */
    const list = [];
    const drawn = DR.plan.nodesOf(store);
    /** @param {Page.Direction} direction @param {number} l */
    const layer = (direction, l) => {
      if (!byNode) {
        list.push({ direction, layer: l, node: null });
        return;
      }
      for (const node of drawn[l]) list.push({ direction, layer: l, node });
      if (drawn[l].at(-1) !== widths[l] - 1) list.push({ direction, layer: l, node: widths[l] - 1 });
    };
    list.push({ direction: "forward", layer: 0, node: null });
    for (let l = 1; l <= L; ++l) layer("forward", l);
    list.push({ direction: "forward", layer: L + 1, node: null });
    for (let l = L; l >= 1; --l) layer("backward", l);
    list.push({ direction: "backward", layer: 0, node: null });
    return list;
  }

  /** What the derivation is of while a step is shown. @param {Page.Store} store @param {Page.SweepStep} step @returns {Page.Selection | null} */
  function shownBy({ net }, { layer, node }) {
    if (layer > net.L) return { kind: "cost" };
    return node === null ? null : { kind: "node", layer, j: node };
  }

  /** Whether the derivation follows: not where it would open a sheet over the drawing (dock.js). */
  const following = () => document.documentElement.dataset.panel !== "closed" || !DR.dock.SHEET.matches;

  /** Scrolls the derivation of a node to where its backward part begins. */
  function showBackward() {
    const panel = document.getElementById("panel");
    const heads = [...(panel?.querySelectorAll(".step > h4") ?? [])];
    const first = heads.find((head) => /F(7|8|13)\b/.test(head.textContent ?? ""));
    if (!panel || !first) return;
    panel.scrollTop += first.getBoundingClientRect().top - panel.getBoundingClientRect().top - 8;
  }

  /** @param {Page.SymbolName} name @param {number} value */
  const number = ([symbol], value) => shown(symbol, value);
  /** @param {string} text */
  const badge = (text) => el("b", { class: "badge", text });

  /**
   * The weighted input and the activation of one node (j) or of a layer (j null).
   *
   * @param {Page.Store} store @param {number} l @param {number | null} j
   */
  function forwardCaption(store, l, j) {
    const { net } = store;
    const pass = store.pass();
    const g = net.words[l];
    const mixes = !net.formulas.slope[l]; // as softmax does
    const up = layerNumber(l);
    const dropout = pass.masks?.[l];
    if (j === null) {
      const bias = net.b[l] === null ? "" : ` + bⱼ${up}`;
      return [
        badge("F3, F4"),
        ` Layer ${l}: all ${count(net.widths[l])} nodes take `,
        `z = Σₖ wⱼₖ${up} aₖ${layerNumber(l - 1)}${bias}`,
        ` from the layer before, and a = ${dropout ? "m · " : ""}${g}(z)`,
        mixes ? ", which needs all z of the layer." : ".",
        dropout ? " m is dropout, 0 or the factor of what stays." : "",
      ];
    }
    const z = symbols.z(l, j);
    const a = symbols.a(l, j);
    const bias = net.b[l] === null ? "" : ` + ${symbols.b(l, j)[1]}`;
    const masked = dropout ? [number(symbols.mask(l, j), dropout[j]), " · "] : [];
    return [
      badge("F3"),
      ` ${z[1]} = Σₖ w${sub(j)}ₖ${up} aₖ${layerNumber(l - 1)}${bias} = `,
      number(z, pass.Z[l][j]),
      ", then ",
      badge("F4"),
      ` ${a[1]} = `,
      ...masked,
      `${g}(${mixes ? `z${up})${sub(j)}` : `${z[1]})`} = `,
      number(a, pass.A[l][j]),
      dropout ? ", the first factor being dropout." : ".",
    ];
  }

  /** @param {Page.Store} store @param {number} l */
  function backwardLayer(store, l) {
    const { net, state } = store;
    const C = `C${sub(DR.text.rowIndex(state.sample))}`;
    const [here, before, next] = [layerNumber(l), layerNumber(l - 1), layerNumber(l + 1)];
    if (l < net.L) {
      return [
        badge("F13, F8"),
        ` Layer ${l}: ∂${C}/∂aₖ${here} = Σⱼ δⱼ${next} wⱼₖ${next} over all `,
        `${count(net.widths[l + 1])} nodes of the next layer, times g′(z). `,
        `With δ every ∂${C}/∂wⱼₖ${here} = δⱼ${here} aₖ${before} is known (F9).`,
      ];
    }
    const plain = ` Outputs: how the loss changes with a, times g′(z): δⱼ${here} = `;
    const mixed = ` Outputs: each a depends on all z, so δⱼ${here} = `;
    return [
      badge(`${outputFormula(net)}, F8`),
      net.formulas.slope[l]
        ? `${plain}∂${C}/∂aⱼ${here} · g′(zⱼ${here}).`
        : `${mixed}Σₘ ∂${C}/∂aₘ${here} · ∂aₘ${here}/∂zⱼ${here}.`,
    ];
  }

  /** @param {Page.Network} net */
  const outputFormula = (net) => (net.loss === "squared_error" ? "F7" : "as F7");

  /** @param {Page.Store} store @param {number} l @param {number | null} j */
  function backwardCaption(store, l, j) {
    if (j === null) return backwardLayer(store, l);
    const { net, state } = store;
    const pass = store.pass();
    const slope = pass.slope[l];
    const C = `C${sub(DR.text.rowIndex(state.sample))}`;
    const [here, next] = [layerNumber(l), layerNumber(l + 1)];
    const first = l === net.L ? outputFormula(net) : "F13";
    const delta = symbols.delta(l, j);
    const up = symbols.dCda(l, j, state.sample);
    const end = [` ${delta[1]} = `, number(delta, pass.delta[l][j])];
    const fused = net.fused && l === net.L;
    if (slope === null || fused) {
      const why = fused ? "taken from z, where it is exact" : "each a depends on all z";
      const terms =
        slope === null
          ? `Σₘ ∂${C}/∂aₘ${here} · ∂aₘ${here}/∂z${sub(j)}${here}`
          : `${up[1]} · g′(${symbols.z(l, j)[1]})`;
      return [badge(`${first}, F8`), ` ${delta[1]} = ${terms} = `, end[1], ` (${why}).`];
    }
    const source = l === net.L ? "" : ` = Σⱼ δⱼ${next} wⱼ${sub(j)}${next}`;
    const mask = pass.masks?.[l];
    return [
      badge(first),
      ` ${up[1]}${source} = `,
      number(up, pass.up[l][j]),
      ...(mask ? [", times dropout's ", number(symbols.mask(l, j), mask[j])] : []),
      ", times ",
      badge("F8"),
      ` g′(${symbols.z(l, j)[1]}) = `,
      number(symbols.dadz(l, j), slope[j]),
      ":",
      ...end,
      ".",
    ];
  }

  /** What a step computes, as text and elements. @param {Page.Store} store @param {Page.SweepStep} step */
  function caption(store, step) {
    const { L } = store.net,
      { direction, layer, node } = step;
    const { sample } = store.state,
      C = symbols.loss(sample);
    if (direction === "forward" && layer === 0)
      return [`The inputs of ${DR.panel.rowName(store, sample)} are given: a${layerNumber(0)} = x.`];
    if (direction === "forward" && layer > L) {
      const { loss } = store.payload.mathml;
      const sum =
        loss && loss.length <= DR.sections.LONG
          ? [" = Σⱼ ", M.math([M.fenced(M.printed(loss))], { block: false })]
          : [];
      return [
        badge("F2"),
        ` The loss compares outputs and targets: ${C[1]}`,
        ...sum,
        " = ",
        number(C, store.pass().loss),
        ". Now back.",
      ];
    }
    if (layer === 0) {
      return [
        badge("F13"),
        ` To the inputs: ∂${C[1]}/∂xₖ = Σⱼ δⱼ${layerNumber(1)} wⱼₖ${layerNumber(1)}. ` +
          "One pass forward and one back gave " +
          `every one of ${count(store.net.p)} derivatives.`,
      ];
    }
    return direction === "forward" ? forwardCaption(store, layer, node) : backwardCaption(store, layer, node);
  }

  /** The sweep that keys of the page play: the one mounted last. @type {{ toggle: () => void, step: (by: number) => void } | null} */
  let active = null;

  /** @param {HTMLElement} element @param {Page.Store} store */
  function mount(element, store) {
    /** @type {{ byNode: boolean, at: number, timer: number | null, list: Page.SweepStep[] }} */
    const view = { byNode: true, at: -1, timer: null, list: [] };
    const text = el("p", { class: "caption", "aria-live": "polite" });
    const play = el("button", { type: "button", class: "button main", onclick: () => toggle() });
    const range = el("input", {
      type: "range",
      min: 0,
      value: 0,
      step: 1,
      "aria-label": "Place in the sweep",
      class: "scrub",
      oninput: () => {
        const to = Number(range.value) - 1;
        stopClock();
        go(to);
      },
    });
    const how = choice(
      "Steps of the sweep",
      [
        ["node", "By node"],
        ["layer", "By layer"],
      ],
      (value) => by(value === "node"),
    );
    const speed = el(
      "select",
      { "aria-label": "Speed of the sweep", onchange: () => changeSpeed() },
      ...[
        ["0.5", "½×"],
        ["1", "1×"],
        ["2", "2×"],
        ["4", "4×"],
      ].map(([value, name]) => el("option", { value, text: name, selected: value === "1" })),
    );
    const leave = iconButton("stop", "Leave the sweep and show all numbers", () => stop());
    element.classList.add("sweep");
    element.replaceChildren(
      el(
        "div",
        { class: "row sweep-row", role: "group", "aria-label": "Forward and backward sweep" },
        iconButton("back", "One step back", () => step(-1)),
        play,
        iconButton("next", "One step on", () => step(1)),
        leave,
        range,
        el("span", { class: "row" }, how, speed),
      ),
      text,
    );
    how.show("node");

    /** Milliseconds until the next step: this one's sum, and time to read it. */
    const wait = () => DR.flow.remaining(store) + (view.byNode ? PAUSE : BY_LAYER) / Number(speed.value);

    /** @param {number} at the index of a step; −1: none */
    function go(at) {
      view.at = clamp(at, -1, view.list.length - 1);
      const sweep = view.at < 0 ? null : view.list[view.at];
      const selected = sweep && following() ? shownBy(store, sweep) : store.state.selected;
      store.set({ sweep, selected });
      if (sweep?.direction === "backward" && selected?.kind === "node") showBackward();
    }
    /** @param {number} by */
    function step(by) {
      stopClock();
      go(view.at + by);
      render();
    }
    function stopClock() {
      if (view.timer !== null) clearTimeout(view.timer);
      view.timer = null;
    }
    /** Holds the motion where it is; playing goes on from there. */
    function pause() {
      stopClock();
      DR.flow.hold(store, true);
      render();
    }
    function tick() {
      go(view.at + 1);
      if (view.at >= view.list.length - 1) {
        stopClock();
        return render();
      }
      view.timer = setTimeout(tick, wait());
    }
    function toggle() {
      if (view.timer !== null) return pause();
      if (store.state.sweep && DR.flow.remaining(store) > 0) {
        DR.flow.hold(store, false);
        view.timer = setTimeout(tick, wait());
        return render();
      }
      if (view.at >= view.list.length - 1) view.at = -1;
      tick();
      render();
    }
    function changeSpeed() {
      DR.flow.pace(store, Number(speed.value));
      if (view.timer === null) return;
      clearTimeout(view.timer);
      view.timer = setTimeout(tick, wait());
    }
    function stop() {
      stopClock();
      go(-1);
      render();
    }
    /** @param {boolean} node */
    function by(node) {
      const before = view.at < 0 ? null : view.list[view.at];
      view.byNode = node;
      view.list = steps(store, node);
      /** @param {Page.SweepStep} other */
      const same = (other) => other.direction === before?.direction && other.layer === before.layer;
      go(before ? view.list.findIndex(same) : -1);
      render();
    }

    function render() {
      const playing = view.timer !== null,
        step = store.state.sweep;
      play.replaceChildren(DR.dom.icon(playing ? "pause" : "play"), playing ? "Pause" : "Play");
      range.max = String(view.list.length);
      range.value = String(view.at + 1);
      const words = step ? `${step.direction}, layer ${step.layer}` : "not started";
      range.setAttribute("aria-valuetext", `${words}, ${view.at + 1} of ${view.list.length}`);
      leave.disabled = !step;
      text.setAttribute("aria-live", playing ? "off" : "polite");
      if (step) text.replaceChildren(...caption(store.seen(), step));
      else
        text.replaceChildren(
          "Play the two passes: forward, every a from the layer before; " +
            "backward, every δ from the layer after.",
        );
    }

    /** @param {Page.View} state @param {Page.Changed} changed */
    function update(state, changed) {
      const all = changed.has("payload");
      if (all || changed.has("sample") || changed.has("state")) view.list = steps(store, view.byNode);
      if (changed.has("sweep") || all) {
        const { sweep } = state;
        /** @param {Page.SweepStep} a */
        const equal = (a) =>
          a.direction === sweep?.direction && a.layer === sweep.layer && a.node === sweep.node;
        view.at = sweep ? view.list.findIndex(equal) : -1;
        if (!sweep && view.timer !== null) {
          clearTimeout(view.timer);
          view.timer = null;
        }
      }
      if (all || ["sweep", "sample", "state", "nudge"].some((key) => changed.has(key))) render();
    }
    store.subscribe(update);
    view.list = steps(store, true);
    render();
    active = { toggle, step };
  }

  return {
    mount,
    steps,
    toggle: () => active?.toggle(),
    /** @param {number} by */
    step: (by) => active?.step(by),
  };
})();
DR.sweep = sweepModule;

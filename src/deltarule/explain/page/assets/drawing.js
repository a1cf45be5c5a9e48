// @ts-check
// The network as in the textbook: layers from left to right, a in every node, the loss at the end.
//
// The parts are built once for a layout (parts.js); what changes with a sample, a state, a sweep or
// a nudge is painted on it (paint.js), and reach.js finds the part that a pointer or a key reaches.
"use strict";

const drawingModule = (function () {
  const { el, svg, put, iconButton, choice } = DR.dom;
  const { build, keyOf } = DR.parts;
  const SLACK = 8; // pixels out of sight that hide no part
  const MORE = 52; // pixels for the line below it that says what is out of sight
  const SHEET = 900; // a window less wide has the derivation below (dock.css)

  /**
   * The room for the drawing in an element: as wide as that, and as high as the window leaves it beside
   * the bars and the sweep.
   *
   * @param {HTMLElement} element @param {Page.Store} store @returns {Page.Room}
   */
  function roomIn(element, store) {
    const root = document.documentElement;
    const text = Number(getComputedStyle(root).getPropertyValue("--scale")) || 1;
    const unit = parseFloat(getComputedStyle(root).fontSize) / text;
    // A phone on its side has no room for larger letters.
    const scale = innerHeight <= DR.layout.LYING ? Math.min(text, 1) : text;
    const width = Math.max(element.clientWidth - 2, 240);
    const narrow = width < DR.layout.NARROW;
    // Larger text makes all of it larger, as far as the window goes.
    /** @param {Element | null | undefined} each */
    const topOf = (each) => each?.getBoundingClientRect().top ?? 0;
    // In the tour its card stays in sight while the page is scrolled: where it stands before that.
    const card = element.closest(".tour-drawing");
    const stuck = card ? topOf(card) - topOf(card.parentElement) : 0;
    const top = topOf(element.querySelector(".network-frame")) - stuck;
    const most = Math.floor(innerHeight - top - scrollY - 0.5 * unit);
    // Where nothing stands below it, as high as the window.
    const below = element.nextElementSibling;
    const free = below === null || getComputedStyle(below).position === "absolute";
    const alone = free ? most - 1.1 * unit : 0;
    const phone = narrow && innerWidth < SHEET;
    const high = phone ? Math.max(0.5 * innerHeight, 300) : Math.max(innerHeight - 18.6 * unit, 260, alone);
    const height = Math.round(scale * high);
    // The tour shows how sums come about.
    const terms = element.closest(".tour") !== null;
    return { width, height, most, scale, pictured: DR.pictures.has(store), terms };
  }

  /** The part that the Tab key comes to. @param {Page.Drawing} view */
  const reached = (view) => /** @type {Page.Part} */ (view.parts.get(view.at));

  /** Makes a part the one that the Tab key comes to. @param {Page.Drawing} view @param {Page.Part} part */
  function stay(view, part) {
    const before = view.parts.get(view.at);
    if (before) put(before.element, "tabindex", -1);
    view.at = keyOf(part.what);
    put(part.element, "tabindex", 0);
  }

  /** @param {Page.Drawing} view @param {Page.Part} part @param {FocusOptions} [options] */
  function moveTo(view, part, options) {
    stay(view, part);
    part.element.focus(options);
  }

  /** @param {Page.Drawing} view @param {KeyboardEvent} event */
  function onKey(view, event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const part = reached(view);
    if (event.key === "Enter" || event.key === " ") view.store.set({ selected: { ...part.what } });
    else if (event.key === "Escape") view.store.set({ selected: null });
    else if (DR.reach.MOVES.has(event.key)) {
      const next = DR.reach.neighbour(view, part, event.key);
      if (next) moveTo(view, next);
    } else return;
    event.preventDefault();
  }

  /**
   * Hovering and focus show the label of a line, or the lines of a node.
   *
   * @param {Page.Drawing} view @param {Page.Part | null | undefined} part
   */
  function hover(view, part) {
    const key = part ? keyOf(part.what) : null;
    if (key === view.hot) return;
    view.hot = key;
    DR.paint.emphasis(view);
    DR.links.mark(key);
  }

  /** @param {Page.Drawing} view */
  function listen(view) {
    const { root, frame, store } = view;
    root.addEventListener("click", (event) => {
      const chosen = DR.reach.chosen(view, event);
      if (!chosen) return;
      const { part, at, of } = chosen;
      moveTo(view, part, { preventScroll: true }); // it was in sight
      store.set({ selected: { ...part.what } });
      view.taps.textContent = of > 1 ? `Line ${at + 1} of ${of} here: tap again for the next` : "";
    });
    /** Only for a pointer: every part inherits the cursor. @param {Page.Part | null | undefined} part */
    const point = (part) => {
      root.classList.toggle("pointing", Boolean(part));
      hover(view, part);
    };
    root.addEventListener(
      "pointermove",
      (event) => event.pointerType !== "touch" && point(DR.reach.partAt(view, event)),
    );
    root.addEventListener("pointerleave", () => point(null));
    root.addEventListener("keydown", (event) => onKey(view, event));
    // On the frame: an SVG that listens for focus events becomes a stop of the Tab key itself.
    // From part to part the lines are drawn once, and not without any part between.
    const within = (/** @type {FocusEvent} */ { relatedTarget }) =>
      relatedTarget instanceof Node && frame.contains(relatedTarget);
    frame.addEventListener("focusin", (event) => {
      const entry = [...view.parts.values()].find((part) => part.element === event.target);
      if (entry) stay(view, entry); // a screen reader may put the focus anywhere
      if (entry?.element.matches(":focus-visible")) hover(view, entry);
      else if (within(event)) hover(view, null);
    });
    frame.addEventListener("focusout", (event) => within(event) || hover(view, null));
  }

  /**
   * Shows a drawing that larger text has enlarged beyond the window, in a frame that scrolls.
   *
   * @param {Page.Drawing} view
   */
  function enlarge(view) {
    const { frame, plan, room } = view;
    if (!room.terms) return;
    view.zoom = plan.enlarged;
    frame.style.setProperty("--zoom", String(view.zoom));
    const high = plan.enlarged > 1 ? `${Math.max(room.most - MORE, 200)}px` : "";
    frame.style.maxHeight = frame.style.overflow = high;
    if (high) frame.style.overflow = "auto";
    beyond(view);
    reveal(view);
  }

  /** Scrolls an enlarged drawing to all that is chosen, or that a sweep computes. @param {Page.Drawing} view */
  function revealAll({ frame, root }) {
    const seen = frame.getBoundingClientRect();
    // What is asked about or computed, with its lines where they have room, or what is selected.
    const sets = [".linked", ".now, .lit, .flow-plate.total", ".now, .flow-plate.total", ".selected"]
      .map((names) => [...root.querySelectorAll(names)].map((e) => e.getBoundingClientRect()))
      .filter((boxes) => boxes.length);
    /** @param {"left" | "top"} from @param {"right" | "bottom"} to */
    const off = (from, to) => {
      const spans = sets.map((boxes) => [
        Math.min(...boxes.map((box) => box[from])),
        Math.max(...boxes.map((box) => box[to])),
      ]);
      const span = spans.find(([low, high]) => high - low <= seen[to] - seen[from]) ?? spans.at(-1);
      if (!span || (span[0] >= seen[from] && span[1] <= seen[to])) return 0;
      return (span[0] + span[1] - seen[from] - seen[to]) / 2;
    };
    frame.scrollLeft += off("left", "right");
    frame.scrollTop += off("top", "bottom");
  }

  /**
   * Scrolls the frame, where the drawing is wider, to what is selected.
   *
   * @param {Page.Drawing} view
   */
  function reveal(view) {
    const { frame, parts, store } = view;
    if (view.plan.enlarged > 1) {
      revealAll(view);
      return;
    }
    const part = parts.get(keyOf(store.state.selected));
    if (!part || frame.scrollWidth <= frame.clientWidth + 1) return;
    const shape = part.line ? part.element.querySelector("line") : part.face;
    const box = (shape ?? part.element).getBoundingClientRect();
    const seen = frame.getBoundingClientRect();
    if (box.left >= seen.left && box.right <= seen.right) return;
    frame.scrollLeft += (box.left + box.right - seen.left - seen.right) / 2;
  }

  /** @param {Page.Drawing} view */
  function tools(view) {
    const { store } = view;
    /** @param {number} factor by which the drawing grows; 0: to fit its frame, and to its own size */
    const zoom = (factor) => {
      const fitted = Math.min(1, (view.frame.clientWidth - 2) / view.plan.width);
      const other = Math.abs(view.zoom - fitted) > 0.005 ? fitted : 1;
      view.zoom = factor ? DR.dom.clamp(view.zoom * factor, Math.min(0.5, fitted), 4) : other;
      view.frame.style.setProperty("--zoom", String(view.zoom));
      beyond(view);
    };
    const colour = choice(
      "Colour and width of the lines",
      [
        ["weight", "Weights"],
        ["gradient", "Gradients"],
      ],
      (value) => store.set({ colour: value }),
    );
    view.showColour = colour.show;
    return el(
      "div",
      { class: "row drawing-tools" },
      colour,
      el("span", { class: "legend" }),
      el(
        "span",
        { class: "zoom", role: "group", "aria-label": "Size of the drawing" },
        iconButton("minus", "Smaller drawing", () => zoom(1 / 1.25)),
        iconButton("fit", "Fit the drawing", () => zoom(0)),
        iconButton("plus", "Larger drawing", () => zoom(1.25)),
      ),
    );
  }

  /**
   * Says how much of a drawing that is wider than its frame is out of sight on either side; the words
   * are buttons that scroll there.
   *
   * @param {Page.Drawing} view
   */
  function beyond({ frame, plan, zoom, more }) {
    const { scrollLeft, clientWidth, scrollWidth } = frame;
    const wider = scrollWidth > clientWidth + SLACK;
    const left = plan.columns.filter(({ x }) => x * zoom < scrollLeft).length,
      right = plan.columns.filter(({ x }) => x * zoom > scrollLeft + clientWidth).length;
    const [back, on] = more;
    frame.classList.toggle("wider", wider);
    const layers = (/** @type {number} */ n) => (n === 1 ? "1 layer" : `${n} layers`);
    back.hidden = !wider || scrollLeft < SLACK;
    on.hidden = !wider || scrollLeft + clientWidth > scrollWidth - SLACK;
    back.textContent = `← ${left ? `${layers(left)} at the left` : "the left end"}`;
    on.textContent = `${right ? `${layers(right)} and the loss` : "the right end"} →`;
    /** @type {HTMLElement} */ (back.parentElement).hidden = !wider;
  }

  /**
   * Draws the network of a store into an element, and follows the store.
   *
   * @param {HTMLElement} element
   * @param {Page.Store} store
   */
  function mount(element, store) {
    const root = svg("svg", { class: "network", role: "group" });
    const frame = el("div", { class: "scroll network-frame" }, root);
    const more = [-1, 1].map((way) =>
      el("button", {
        type: "button",
        class: "link",
        onclick: () => {
          const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
          frame.scrollBy({ left: 0.8 * way * frame.clientWidth, behavior });
        },
      }),
    );
    const taps = el("span", { class: "note taps", role: "status" });
    // `update`, called below, sets what is missing here.
    const view = /** @type {Page.Drawing} */ (
      /** @type {unknown} */ ({
        store,
        root,
        frame,
        more,
        taps,
        tap: null,
        at: "",
        hot: null,
        linked: new Set(),
        follow: "from",
        zoom: 1,
        nodes: /** @type {number[][]} */ ([]),
        edges: /** @type {Page.EdgePart[]} */ ([]),
        shape: "",
      })
    );
    /** Takes the measure of the room; whether it has changed. */
    const fit = () => {
      const before = JSON.stringify(view.room);
      view.room = roomIn(element, store);
      return JSON.stringify(view.room) !== before;
    };
    const bar = tools(view);
    view.legend = /** @type {HTMLElement} */ (bar.querySelector(".legend"));
    element.classList.add("drawing");
    const sides = el(
      "div",
      { class: "drawing-more", role: "group", "aria-label": "Parts out of sight" },
      ...more,
    );
    element.replaceChildren(bar, frame, sides, taps);
    const soon = DR.dom.eachFrame(() => beyond(view));
    frame.addEventListener("scroll", soon);
    listen(view);
    DR.links.watch(view);
    fit();

    /** @param {Page.View} state @param {Page.Changed} changed */
    function update(state, changed) {
      const focused = root.contains(document.activeElement);
      const { widths, bias, words } = store.net;
      // What is built once and not painted again: the elements, and the names beside them.
      const shape = JSON.stringify([widths, bias, words, store.payload.names]);
      const other = shape !== view.shape;
      const moved = changed.has("sample") || changed.has("state");
      const fresh = other || (moved && !changed.has("payload")) || !DR.plan.has(view.nodes, state.selected);
      const nodes = fresh ? DR.plan.nodesOf(store) : view.nodes;
      if (other) fit();
      const limited = changed.has("colour") && view.edges.length > 600;
      if (other || limited || JSON.stringify(nodes) !== JSON.stringify(view.nodes)) {
        view.nodes = nodes;
        view.shape = shape;
        rebuild(focused, other ? undefined : soon);
      }
      view.showColour(DR.paint.mode(state));
      DR.paint.all(view);
      if (changed.has("selected") || changed.has("sweep") || other) requestAnimationFrame(() => reveal(view));
    }
    /**
     * Other nodes of the same network are as wide: what is out of sight is seen to in the next frame.
     *
     * @param {boolean} focused @param {() => void} [edges]
     */
    function rebuild(focused, edges = () => beyond(view)) {
      build(view);
      edges();
      enlarge(view);
      if (focused) reached(view).element.focus();
    }
    store.subscribe(update);
    update(store.state, new Set(["payload"]));
    const again = () => {
      beyond(view);
      if (!fit()) return;
      rebuild(root.contains(document.activeElement));
      DR.paint.all(view);
      reveal(view);
    };
    DR.plots.onWidth(element, again);
    // A phone's window changes its height while it is scrolled: only a wide drawing follows it.
    addEventListener(
      "resize",
      DR.dom.eachFrame(() => view.room.width >= DR.layout.NARROW && again()),
    );
    document.addEventListener("deltarule-size", again);
  }

  return { mount, reveal };
})();
DR.drawing = drawingModule;

// @ts-check
// The derivation's place: beside everything else on a wide screen, a sheet at the lower edge of a
// narrow one. It opens when something is selected, and a reader can close it.
//
// Which of its states it is in stands at the root of the document (data-panel), for the style sheets:
// "open"; "closed", with a button that opens it again; "full", a sheet that has the whole screen.
"use strict";

const dockModule = (function () {
  const { el, icon, iconButton, clamp } = DR.dom;
  /** As in dock.css. */
  const SHEET = matchMedia("(max-width: 899px)");
  const root = document.documentElement;
  const SHARE = 0.54; // of the screen's height, which an open sheet has
  const ROOM = 0.25; // of that height, which the bar above a raised sheet has at most
  const DRAGGED = 6; // pixels: a pointer that moves less has clicked

  /** @type {HTMLElement | null} The section that is placed. */
  let section = null;

  /** @returns {"open" | "closed" | "full"} */
  const state = () => /** @type {any} */ (root.dataset.panel ?? "open");

  /** @param {string} selector @returns {HTMLElement} */
  const within = (selector) =>
    /** @type {HTMLElement} */ (/** @type {HTMLElement} */ (section).querySelector(selector));

  /** @param {"open" | "closed" | "full"} to */
  function show(to) {
    if (!section || root.dataset.panel === to) return;
    const inside = section.contains(document.activeElement);
    if (to === "full") below();
    root.dataset.panel = to;
    document.dispatchEvent(new CustomEvent("deltarule-panel", { detail: to }));
    const full = to === "full";
    const grip = within(".panel-grip");
    grip.setAttribute("aria-label", full ? "Lower the derivation" : "Raise the derivation");
    grip.setAttribute("aria-expanded", String(full));
    // The focus stays in the section: what had it may not be shown any more.
    if (inside && to === "closed") within(".panel-peek").focus();
    else if (inside && document.activeElement?.matches(".panel-peek"))
      within("#panel").focus({ preventScroll: true });
  }

  /** Has a sheet as high as the screen begin below the bar, whose numbers it would cut, if there is room. */
  function below() {
    const bar = document.querySelector(".bar")?.getBoundingClientRect();
    const top = bar && bar.bottom > 0 && bar.bottom < ROOM * innerHeight ? bar.bottom : 0;
    if (top) root.style.setProperty("--full", `${Math.ceil(top)}px`);
    else root.style.removeProperty("--full");
  }

  /** Scrolls what is selected in the drawing to where it is in sight, and no sheet covers it. */
  function uncover() {
    const part = document.querySelector("svg.network .selected");
    if (!section || !part || state() === "closed") return;
    const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
    const { top, bottom } = part.getBoundingClientRect();
    // Its own box may still be on its way. A sheet at the side covers nothing above or below.
    const beside = !SHEET.matches || section.clientWidth < 0.9 * innerWidth;
    const around = beside ? 0 : 12;
    const from = Math.max(bar, 0) + around;
    const to = innerHeight * (beside ? 1 : 1 - SHARE) - around;
    if (top >= from && bottom <= to) return;
    const middle = (top + bottom - from - to) / 2;
    // Beside a derivation all else stays in sight: no further than is needed.
    // Browsers scroll by whole pixels.
    const far = top < from ? Math.floor(top - from) : Math.ceil(Math.min(bottom - to, top - from));
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    scrollBy({ top: beside ? far : middle, behavior: smooth ? "smooth" : "instant" });
  }

  /** A handle that a finger drags, and a button that raises and lowers the sheet. */
  function gripButton() {
    const grip = el("button", { type: "button", class: "panel-grip", "aria-controls": "panel" });
    /** @type {{ y: number, height: number, moved: boolean } | null} */
    let drag = null;
    grip.addEventListener("pointerdown", (event) => {
      grip.setPointerCapture(event.pointerId);
      const { height } = /** @type {HTMLElement} */ (section).getBoundingClientRect();
      drag = { y: event.clientY, height, moved: false };
    });
    grip.addEventListener("pointermove", (event) => {
      if (!drag) return;
      if (Math.abs(event.clientY - drag.y) > DRAGGED) drag.moved = true;
      if (!drag.moved) return;
      root.dataset.dragged = "";
      const height = clamp(drag.height + drag.y - event.clientY, 56, innerHeight - 24);
      root.style.setProperty("--sheet", `${height}px`);
    });
    /** @param {PointerEvent} event */
    const release = (event) => {
      if (!drag) return;
      const { moved, height, y } = drag;
      drag = moved ? drag : null; // kept until the click that follows
      delete root.dataset.dragged;
      root.style.removeProperty("--sheet");
      if (!moved) return;
      const share = (height + y - event.clientY) / innerHeight;
      show(share < 0.28 ? "closed" : share < 0.7 ? "open" : "full");
    };
    grip.addEventListener("pointerup", release);
    grip.addEventListener("pointercancel", release);
    grip.addEventListener("click", () => {
      if (!drag?.moved) show(state() === "full" ? "open" : "full");
      drag = null;
    });
    return grip;
  }

  /** A button for numbers in place of symbols, everywhere in the derivation. */
  function numbersButton() {
    const button = el(
      "button",
      {
        type: "button",
        class: "button panel-numbers",
        title: "Numbers in place of symbols",
        "aria-pressed": String("numbers" in root.dataset),
      },
      "Numbers",
      el("span", { class: "unseen", text: " in place of symbols" }),
    );
    button.addEventListener("click", () => {
      const on = !("numbers" in root.dataset);
      if (on) root.dataset.numbers = "";
      else delete root.dataset.numbers;
      button.setAttribute("aria-pressed", String(on));
      if (on) DR.maths.label(document.body);
    });
    return button;
  }

  /**
   * Places the section of a derivation, which has a head (`.head`) and an element `#panel`.
   *
   * @param {HTMLElement} element the section @param {Page.Store} store
   * @param {{ open?: boolean }} [options] whether it is open at first on a wide screen
   */
  function mount(element, store, { open = true } = {}) {
    section = element;
    const title = element.querySelector("h2")?.textContent ?? "";
    const peek = el(
      "button",
      { type: "button", class: "panel-peek", "aria-controls": "panel", "aria-expanded": "false" },
      el("span", { text: title }),
      icon("up"),
    );
    peek.addEventListener("click", () => {
      show("open");
      uncover();
    });
    const close = iconButton("close", "Close the derivation", () => show("closed"), "tool panel-close");
    element.prepend(peek, gripButton());
    element.querySelector(".head")?.append(close);
    // Beside the title, where it stays in sight while the derivation is scrolled.
    element.querySelector("h2")?.after(numbersButton());
    // A sheet would cover the network before it was seen.
    show(!SHEET.matches && (store.state.selected || open) ? "open" : "closed");

    // A fresh payload names every field as changed. What counts is a choice by the reader, which
    // makes a new object, even where the same line is tapped once more.
    let last = store.state.selected;
    store.subscribe((now, changed) => {
      if (!changed.has("selected") || now.selected === last) return;
      last = now.selected;
      const before = state();
      if (now.selected && before === "closed") show("open");
      else if (!now.selected && SHEET.matches) show("closed");
      // After the derivation and the drawing have been painted. Beside a derivation that was open
      // nothing has moved: what was chosen in a heat map stays where it is.
      if (now.selected && (SHEET.matches || before === "closed")) setTimeout(uncover, 60);
    });
    // What has the focus must not lie below a sheet as high as the screen.
    document.addEventListener("focusin", (event) => {
      if (state() === "full" && SHEET.matches && !element.contains(/** @type {Node} */ (event.target)))
        show("open");
    });
    document.querySelector(".skip")?.addEventListener("click", () => show("open"));
    // The height of the bar at the top, which breaks into more lines with larger text.
    const top = document.querySelector(".top");
    if (top)
      new ResizeObserver(() => {
        const { height } = top.getBoundingClientRect();
        if (height) root.style.setProperty("--top", `${Math.round(height)}px`);
        else root.style.removeProperty("--top");
      }).observe(top);
  }

  return { SHEET, mount, open: () => state() === "closed" && show("open"), close: () => show("closed") };
})();
DR.dock = dockModule;

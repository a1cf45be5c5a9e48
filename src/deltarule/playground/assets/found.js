// @ts-check
// What a button of "Does it learn?" has found: over the drawing on a wide screen, so that the curve and
// the surface stay in sight, and below the button on a phone. One is in sight at a time; the one
// that the sentences of the verdict stand over comes back when these are closed.
"use strict";

const foundModule = (function () {
  const { el, iconButton } = DR.dom;
  const LEFT = 8; // pixels below the edge that are no more to read
  /** @typedef {{ element: HTMLElement, close: () => void, measure: () => void, told: (seen: boolean) => void }} Place */
  /** Those that are open, the one in sight last. @type {Place[]} */
  const open = [];
  /** Shows the last of them. */
  function raise() {
    for (const [i, { element, told }] of open.entries()) {
      element.hidden = i < open.length - 1;
      told(!element.hidden);
    }
    open.at(-1)?.measure();
  }

  /**
   * A place for what `button` finds, called `name`; `show(...)` fills and opens it, `close()` empties it.
   *
   * @param {string} name @param {HTMLElement} button has the focus again when the place is closed
   * @param {(open: boolean) => void} [told] whether it is in sight, when that may have changed
   * @param {boolean} over whether another place stays open below it
   */
  function make(name, button, told = () => {}, over = false) {
    const body = el("div", { class: "found-body", "aria-live": "polite" });
    const close = () => {
      if (element.contains(document.activeElement)) button.focus({ preventScroll: true });
      const at = open.indexOf(place);
      element.hidden = true;
      body.replaceChildren();
      if (at < 0) return;
      open.splice(at, 1);
      raise();
      told(false);
    };
    /** Says that there is more below, and goes there. */
    const below = el("button", {
      type: "button",
      class: "link found-below",
      text: "more below",
      hidden: true,
      tabindex: -1,
    });
    const measure = () => {
      const { scrollTop, clientHeight, scrollHeight } = element;
      below.hidden = scrollTop + clientHeight > scrollHeight - LEFT;
    };
    const element = el(
      "div",
      { class: "found", role: "group", "aria-label": name, hidden: true },
      el(
        "div",
        { class: "found-head" },
        el("span", { text: name }),
        iconButton("close", `Close: ${name}`, close, "tool found-close"),
      ),
      body,
      below,
    );
    /** @type {Place} */
    const place = { element, close, measure, told };
    element.addEventListener("scroll", measure);
    below.addEventListener("click", () => element.scrollBy({ top: 0.8 * element.clientHeight }));
    for (const each of [element, body])
      new ResizeObserver(() => requestAnimationFrame(measure)).observe(each);
    return {
      element,
      close,
      /** The width that a chart in it has. */
      width: () => body.clientWidth,
      /** @param {Page.Child[]} children */
      show(...children) {
        const opened = element.hidden;
        if (opened) document.dispatchEvent(new CustomEvent("deltarule-found"));
        if (!over) for (const other of open.filter((each) => each !== place)) other.close();
        if (open.includes(place)) open.splice(open.indexOf(place), 1);
        open.push(place);
        raise();
        body.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
        // On a phone it opens in the page: as far as is needed, and no further.
        if (opened || children.length > 1) element.scrollIntoView({ block: "nearest" });
        measure();
      },
    };
  }

  /**
   * A sentence, in which the names of buttons are buttons that do the same: on a phone the others may be
   * out of sight.
   *
   * @param {string} text @param {Record<string, () => unknown>} does by the name
   * @returns {(string | HTMLElement)[]}
   */
  const pressing = (text, does) => {
    const names = Object.keys(does).join("|").replaceAll("+", "\\+");
    // What follows a name without a space stays in its line.
    const parts = text.split(new RegExp(`((?:${names})[.,;:]?)`));
    return parts.map((part) => {
      const name = part.replace(/[.,;:]$/, "");
      if (!(name in does)) return part;
      const button = el("button", { type: "button", class: "link", text: name, onclick: does[name] });
      return name === part ? button : el("span", { class: "kept" }, button, part.slice(name.length));
    });
  };

  /**
   * What a run is told by: what was found of another one is gone. Another learning rate leaves the weights
   * as they are, and the run.
   *
   * @param {Live.Run} run
   */
  const keyOf = ({ settings, net, rows }) => JSON.stringify([{ ...settings, learning_rate: 0 }, net, rows]);

  /** Closes the place that is in sight; whether one was. */
  function closeOpen() {
    const last = open.findLast(({ element }) => element.isConnected);
    last?.close();
    return Boolean(last);
  }

  return { make, pressing, keyOf, closeOpen };
})();
DR.found = foundModule;

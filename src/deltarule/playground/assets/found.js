// @ts-check
// What a button of "Does it learn?" has found: over the drawing on a wide screen, so that the curve and
// the surface stay in sight, and below the button on a phone. One is open at a time.
"use strict";

const foundModule = (function () {
  const { el, iconButton } = DR.dom;
  /** @type {{ element: HTMLElement, close: () => void }[]} */
  const places = [];

  /**
   * A place for what `button` finds, called `name`; `show(...)` fills and opens it, `close()` empties it.
   *
   * @param {string} name @param {HTMLElement} button has the focus again when the place is closed
   * @param {(open: boolean) => void} [told] when it was opened or closed
   */
  function make(name, button, told = () => {}) {
    const body = el("div", { class: "found-body", "aria-live": "polite" });
    const close = () => {
      if (element.contains(document.activeElement)) button.focus({ preventScroll: true });
      const was = !element.hidden;
      element.hidden = true;
      body.replaceChildren();
      if (was) told(false);
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
    );
    places.push({ element, close });
    return {
      element,
      close,
      /** The width that a chart in it has. */
      width: () => body.clientWidth,
      /** @param {Page.Child[]} children */
      show(...children) {
        if (element.hidden) {
          for (const other of places) if (other.close !== close) other.close();
          document.dispatchEvent(new CustomEvent("deltarule-found"));
        }
        const opened = element.hidden;
        element.hidden = false;
        body.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
        if (opened) told(true);
        // On a phone it opens in the page: as far as is needed, and no further.
        if (opened || children.length > 1) element.scrollIntoView({ block: "nearest" });
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

  /** Closes the place that is open; whether one was. */
  function closeOpen() {
    const open = places.find(({ element }) => element.isConnected && !element.hidden);
    open?.close();
    return Boolean(open);
  }

  return { make, pressing, keyOf, closeOpen };
})();
DR.found = foundModule;

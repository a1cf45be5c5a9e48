// @ts-check
// Where the settings stand, and where the field of the learning rate does.
"use strict";

const settingsPlaceModule = (function () {
  const at = DR.dom.byId;
  const root = document.documentElement;
  /** The sizes of the text up to which the settings have a column of their own. */
  const LARGE = { usual: 1.1, wide: 1.6 };

  /**
   * Places the settings, for the style sheet (`data-settings` at the root): "column" beside the drawing;
   * "tab", folded at the left edge, where a derivation, larger text or the window leaves the drawing too
   * little room; "row", folded above the drawing on a phone. The learning rate is in sight with each of
   * them: in the bar at the top, on a phone in the row of the settings; only on a lying phone, whose bar
   * is full, it is the first of the settings.
   */
  function mount() {
    const details = /** @type {HTMLDetailsElement} */ (at("fold"));
    const summary = at("chosen"),
      hand = at("hand");
    const [narrow, lying, small, wide] = [
      "(max-width: 899px)",
      "(min-width: 560px) and (max-height: 500px)",
      "(max-width: 1279px)",
      "(min-width: 1900px)",
    ].map((query) => matchMedia(query));
    const place = () => {
      if (lying.matches) return "tab";
      if (narrow.matches) return "row";
      const beside = ["open", "full"].includes(root.dataset.panel ?? "") && !wide.matches;
      const scale = Number(root.style.getPropertyValue("--scale")) || 1;
      const large = scale > (wide.matches ? LARGE.wide : LARGE.usual);
      return small.matches || beside || large ? "tab" : "column";
    };
    const show = () => {
      const now = place();
      const home = lying.matches ? "inside" : now === "row" ? "beside" : "bar";
      if (hand.dataset.home !== home) {
        hand.dataset.home = home;
        if (home === "bar") at("transport").after(hand);
        else if (home === "beside") details.before(hand);
        else summary.after(hand);
      }
      if (root.dataset.settings === now) return;
      root.dataset.settings = now;
      details.open = now === "column";
    };
    for (const query of [narrow, lying, small, wide]) query.addEventListener("change", show);
    for (const kind of ["deltarule-panel", "deltarule-size"]) document.addEventListener(kind, show);
    // What was found stands where the drawer would be over it.
    document.addEventListener("deltarule-found", () => {
      if (root.dataset.settings === "tab") details.open = false;
    });
    // A drawer over the page is closed by the key that closes such things.
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || root.dataset.settings !== "tab" || !details.open) return;
      event.stopPropagation();
      details.open = false;
      summary.focus();
    });
    show();
  }

  return { mount };
})();
DR.settingsPlace = settingsPlaceModule;

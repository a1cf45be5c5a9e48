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
    // On a lying phone it covers half of the page, and a tap beside it closes it. What is tapped in the bar
    // is to act on the settings that are seen.
    document.addEventListener("pointerdown", ({ target }) => {
      if (!lying.matches || !details.open) return;
      if (!(/** @type {Element} */ (target).closest(".place-settings, .top"))) details.open = false;
    });
    keepInView(lying);
    show();
  }

  /** Closes the settings where they are a drawer over the page; whether they were open. */
  function closeDrawer() {
    const details = /** @type {HTMLDetailsElement} */ (at("fold"));
    if (root.dataset.settings !== "tab" || !details.open) return false;
    const inside = details.contains(document.activeElement) || at("hand").contains(document.activeElement);
    details.open = false;
    if (inside) at("chosen").focus();
    return true;
  }

  /**
   * Turned, a phone has the same parts in another place: the one that was in sight is scrolled to.
   *
   * @param {MediaQueryList} lying
   */
  function keepInView(lying) {
    /** @type {Element | null} What most is seen of, unless it is the top of the page. */
    let seen = null;
    let turning = false;
    const bar = () => document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
    /** Pixels of its height that are in sight. @param {Element} card */
    const inSight = (card) => {
      const { top, bottom } = card.getBoundingClientRect();
      return Math.min(bottom, innerHeight) - Math.max(top, bar());
    };
    const look = DR.dom.eachFrame(() => {
      if (turning) return;
      const cards = [...document.querySelectorAll("main .card:not(.place-panel)")];
      const most = cards.reduce((a, b) => (inSight(b) > inSight(a) ? b : a));
      // On a lying phone two are side by side: the one that was looked at before stays it.
      if (scrollY <= 0) seen = null;
      else if (!seen || inSight(seen) < inSight(most) / 2) seen = most;
    });
    document.addEventListener("scroll", look, { passive: true });
    lying.addEventListener("change", () => {
      turning = true;
      // The page that is shorter or longer now scrolls by itself first.
      requestAnimationFrame(() =>
        requestAnimationFrame(() => {
          if (seen)
            scrollBy({ top: seen.getBoundingClientRect().top - Math.max(bar(), 0) - 6, behavior: "instant" });
          turning = false;
        }),
      );
    });
  }

  return { mount, closeDrawer };
})();
DR.settingsPlace = settingsPlaceModule;

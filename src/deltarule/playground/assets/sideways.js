// @ts-check
// On a phone held upright a deep network is wider than its frame, which a finger moves sideways: a button
// beside the legend says so, and does it.
"use strict";

const sidewaysModule = (function () {
  const { el } = DR.dom;
  const HARDLY = 8; // pixels: a drawing that is wider by less is not cut
  const STEP = 0.8; // of the frame, at a press

  /** Adds the button to a drawing that is mounted in `element`. @param {HTMLElement} element */
  function mount(element) {
    const frame = /** @type {HTMLElement} */ (element.querySelector(".network-frame"));
    let back = false;
    const button = el("button", {
      type: "button",
      class: "link sideways",
      hidden: true,
      onclick: () => {
        const left = back ? -frame.scrollWidth : STEP * frame.clientWidth;
        const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
        frame.scrollBy({ left, behavior: smooth ? "smooth" : "instant" });
      },
    });
    const look = DR.dom.eachFrame(() => {
      const over = frame.scrollWidth - frame.clientWidth;
      back = frame.scrollLeft > over - HARDLY;
      button.hidden = over <= HARDLY;
      const words = back ? "← back to the inputs" : "swipe: more layers →";
      if (button.textContent !== words) button.textContent = words;
    });
    frame.addEventListener("scroll", look, { passive: true });
    const sizes = new ResizeObserver(look);
    for (const each of [frame, frame.firstElementChild]) if (each) sizes.observe(each);
    element.querySelector(".drawing-tools .legend")?.after(button);
  }

  return { mount };
})();
DR.sideways = sidewaysModule;

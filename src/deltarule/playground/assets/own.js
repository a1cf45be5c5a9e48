// @ts-check
// The reader's own table in the static playground: a CSV file, chosen or dropped onto the page.
"use strict";

const ownModule = (function () {
  const { el } = DR.dom;
  /** The largest file that is read: some hundred thousand rows. */
  const MOST_BYTES = 50e6;
  /** @type {(run: { own?: Static.Own | null, table: Live.Run["table"] }) => void} */
  let shown = () => {};

  /**
   * Shows the place for a file in `element`; `order` sends orders to the trainer.
   *
   * @param {HTMLElement} element @param {Live.Order} order
   */
  function mount(element, order) {
    /** @type {HTMLInputElement} */
    const input = el("input", {
      type: "file",
      id: "own-file",
      hidden: true,
      "aria-label": "Your CSV file",
      accept: ".csv,.tsv,.txt,text/csv,text/plain,text/tab-separated-values",
      onchange: () => {
        if (input.files?.length) take(input.files);
        input.value = "";
      },
    });
    const button = el("button", {
      type: "button",
      class: "button",
      text: "Open a CSV file",
      onclick: () => input.click(),
    });
    const hint = el("p", {
      class: "note",
      text: "Or drop one on this page. It stays in your browser.",
    });
    const status = el("div", { role: "status" });
    const table = el("div");
    element.replaceChildren(input, button, hint, status, table);
    element.hidden = false;

    /** @param {string} reason */
    function refuse(reason) {
      // On a phone, and beside a derivation, what is chosen is folded.
      if (reason) element.closest("details")?.setAttribute("open", "");
      status.replaceChildren(reason ? el("p", { class: "note refused", text: reason }) : "");
    }

    /** @param {FileList} files */
    async function take(files) {
      if (files.length > 1) return refuse(`${files.length} files were given; expected one CSV file`);
      const [file] = files;
      // Read as a whole, a file of gigabytes would end the page.
      if (file.size > MOST_BYTES) {
        const size = `${Math.ceil(file.size / 1e6)} MB`;
        return refuse(
          `${JSON.stringify(file.name)} has ${size}; expected at most ${MOST_BYTES / 1e6} MB: take fewer rows`,
        );
      }
      refuse("");
      try {
        const text = new TextDecoder("utf-8").decode(await file.arrayBuffer());
        refuse(await order("table", { name: file.name, text }));
      } catch {
        refuse(`${JSON.stringify(file.name)} cannot be read; expected a CSV file, not a folder`);
      }
    }

    // The whole page takes a file, so that a missed drop does not replace the page by the file.
    let inside = 0;
    /** @param {number} by */
    const over = (by) => {
      inside = Math.max(0, inside + by);
      document.body.classList.toggle("dropping", inside > 0);
    };
    /** @param {DragEvent} event */
    const holdsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
    addEventListener("dragenter", (event) => holdsFiles(event) && over(1));
    addEventListener("dragleave", (event) => holdsFiles(event) && over(-1));
    addEventListener("dragover", (event) => {
      if (holdsFiles(event)) event.preventDefault();
    });
    addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      over(-inside);
      if (event.dataTransfer?.files.length) take(event.dataTransfer.files);
    });

    let drawn = "";
    shown = ({ own, table: file }) => {
      const now = JSON.stringify([own, file]);
      if (now === drawn) return;
      drawn = now;
      if (!own || !file) return table.replaceChildren();
      /** @type {HTMLSelectElement} */
      const target = el(
        "select",
        {
          id: "own-target",
          onchange: async () => {
            const reason = await order("target", { name: target.value });
            refuse(reason);
            if (reason) target.value = own.target;
          },
        },
        ...own.columns.map((name) => el("option", { value: name, text: DR.dom.cut(name, 40) })),
      );
      target.value = own.target;
      const label = el("label", { for: "own-target", text: `Predict, of ${DR.dom.cut(file.name, 30)}` });
      table.replaceChildren(el("div", { class: "control wide" }, label, target));
    };
  }

  /** Shows what a new description says of the file. @param {Live.Run & { own?: Static.Own | null }} next */
  function run(next) {
    shown(next);
  }

  return { mount, run };
})();
DR.own = ownModule;

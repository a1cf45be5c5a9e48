// @ts-check
// The connection to the server: orders to it, descriptions and frames from it, and its state.
//
// A frame is the length of its header (4 bytes), the header as JSON, and arrays, little endian.
// The server sends the newest frame, and the next one only when an earlier one is acknowledged.
"use strict";

const wireModule = (function () {
  const AGAIN = { first: 400, most: 5000 };

  /** A frame; its arrays are views of the bytes. @param {ArrayBuffer} buffer @returns {Live.Frame} */
  function unpacked(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    /** @type {Record<string, Float32Array | Uint8Array>} */
    const arrays = {};
    /** @type {Live.Header["arrays"]} */
    const places = header.arrays;
    for (const [name, { dtype, at, count }] of Object.entries(places)) {
      const start = 4 + length + at;
      arrays[name] =
        dtype === "f4" ? new Float32Array(buffer, start, count) : new Uint8Array(buffer, start, count);
    }
    return { header, arrays: /** @type {Live.Arrays} */ (/** @type {unknown} */ (arrays)) };
  }

  /**
   * Keeps a connection to the server `boot`. It calls `on.run(description)`, `on.frame(frame)` and
   * `on.state(word)`, where the word is "open", "lost" (there is no server), "restarted" (another one
   * with the same token) or "refused" (another one, which does not know this page).
   *
   * @param {string} boot @param {Live.Handlers} on @returns {Live.Wire}
   */
  function open(boot, on) {
    const token = new URLSearchParams(location.search).get("token") || "";
    /** @param {string} path */
    const address = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
    /** @type {Map<number, (reason: string) => void>} What to call when an order is answered. */
    const waiting = new Map();
    /** @type {WebSocket | null} */
    let socket = null;
    let number = 0,
      pause = AGAIN.first,
      over = false;

    /** @param {Live.LineState} word */
    function end(word) {
      over = true;
      on.state(word);
      if (socket) socket.close();
    }

    function connect() {
      socket = new WebSocket(address(`ws://${location.host}/live`));
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) =>
        typeof data === "string" ? receive(JSON.parse(data)) : on.frame(unpacked(data));
      socket.onclose = lost;
    }

    /** @param {any} message checked by its type; the server writes it */
    function receive(message) {
      if (message.type === "hello") {
        if (message.boot !== boot) return end("restarted");
        pause = AGAIN.first;
        return on.state("open");
      }
      if (message.type === "run") return on.run(message);
      const answer = waiting.get(message.id);
      waiting.delete(message.id);
      if (answer) answer(message.type === "error" ? message.message : "");
    }

    function lost() {
      for (const answer of waiting.values()) answer("the line to the server is lost");
      waiting.clear();
      if (over) return;
      on.state("lost");
      setTimeout(ask, pause);
      pause = Math.min(2 * pause, AGAIN.most);
    }

    /** Asks whether a server is there, and which, since a socket does not say why it failed. */
    async function ask() {
      try {
        const reply = await fetch(address("/who"), { cache: "no-store" });
        if (reply.status === 403) return end("refused");
        if ((await reply.json()).boot !== boot) return end("restarted");
      } catch {
        return lost();
      }
      connect();
    }

    /** @type {{ text: string, formulas: Page.Formulas } | null} The formulas that were run last. */
    let script = null;

    /** The formulas of a script of the server, which this page lets run. @param {string} text */
    function formulasOf(text) {
      if (text !== script?.text) {
        const element = document.createElement("script");
        element.nonce = DR.nonce;
        element.textContent = text;
        document.head.append(element);
        element.remove();
        script = { text, formulas: DR.formulas };
      }
      return script.formulas;
    }

    /** What the server finds of the run. @param {string} path */
    async function found(path) {
      const reply = await fetch(address(path), { cache: "no-store" });
      if (!reply.ok) throw new Error((await reply.text()).trim());
      return reply.json();
    }

    connect();
    return {
      files: [
        { name: "run.py", text: "Python script", note: "makes this run again, bit for bit" },
        { name: "model.zip", text: "Model", note: "the folder that deltarule loads, zipped" },
        { name: "explain.html", text: "Explain page", note: "every number derived, in one file" },
      ].map((file) => ({ ...file, href: address(`/export/${file.name}`) })),
      lens: () => found("/lens"),
      rates: () => found("/rates"),
      async network(rows, row) {
        const one = row === null ? "" : `&row=${row}`;
        const given = await found(`/payload?rows=${rows}${one}`);
        return { ...given, formulas: formulasOf(given.formulas) };
      },
      /** Sends an order; gives "" when it is done, or why it is not. */
      order(type, fields = {}) {
        if (!socket || socket.readyState !== WebSocket.OPEN)
          return Promise.resolve("the line to the server is lost");
        const id = ++number;
        socket.send(JSON.stringify({ type, id, ...fields }));
        return new Promise((answer) => waiting.set(id, answer));
      },
      /** Says that a frame is painted. */
      painted(frame) {
        if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "ack", frame }));
      },
    };
  }

  return { open };
})();
DR.wire = wireModule;

// @ts-check
// The line to the server: orders to it, descriptions and frames from it, and what became of it.
//
// A frame is the length of its header (4 bytes), the header as JSON, and arrays, little endian.
// The server sends the newest frame, and the next one only when an earlier one is acknowledged.
"use strict";

const wireModule = (function () {
  const AGAIN = { first: 400, most: 5000 };

  /** {header, arrays} of a frame; arrays look into its bytes, nothing is copied. */
  function unpacked(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const arrays = {};
    for (const [name, { dtype, at, count }] of Object.entries(header.arrays)) {
      const start = 4 + length + at;
      arrays[name] =
        dtype === "f4" ? new Float32Array(buffer, start, count) : new Uint8Array(buffer, start, count);
    }
    return { header, arrays };
  }

  /**
   * Keeps a line open. `on` is told: run(description), frame(frame), state(word), where the word
   * is "open", "lost" (there is no server), "restarted" (another one with the same token) or
   * "refused" (another one, which does not know this page).
   */
  function open(boot, on) {
    const token = new URLSearchParams(location.search).get("token") || "";
    const address = (path) => `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`;
    const waiting = new Map();
    let socket = null,
      number = 0,
      pause = AGAIN.first,
      over = false;

    function end(word) {
      over = true;
      on.state(word);
      if (socket) socket.close();
    }

    function connect() {
      socket = new WebSocket(address(`ws://${location.host}/live`));
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) =>
        typeof data === "string" ? told(JSON.parse(data)) : on.frame(unpacked(data));
      socket.onclose = lost;
    }

    function told(message) {
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

    /** Whether a server is there, and which: a page asks, since a socket does not say why it failed. */
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

    connect();
    return {
      address,
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
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "ack", frame }));
      },
    };
  }

  return { open };
})();
DR.wire = wireModule;

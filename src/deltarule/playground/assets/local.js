// @ts-check
// In place of the connection to a server: a trainer in this page, in a worker where there can be one.
//
// The script element "engine" has all that the trainer needs. It has run in this page, which uses
// its driver and its formulas; the worker runs the same text.
"use strict";

const localModule = (function () {
  const START = `
const channel = new MessageChannel(), waiting = [];
channel.port1.onmessage = () => waiting.shift()();
const trainer = DR.trainer.trainer(
  (message, move) => postMessage(message, move ?? []),
  (f) => { waiting.push(f); channel.port2.postMessage(0); },
);
onmessage = ({ data }) => trainer.receive(data);`;

  /** @param {(message: Static.Sent) => void} hear @returns {(message: Static.Ordered) => void} */
  function inPage(hear) {
    const channel = new MessageChannel();
    /** @type {(() => void)[]} */
    const waiting = [];
    channel.port1.onmessage = () => waiting.shift()?.();
    /** @param {() => void} f */
    const soon = (f) => {
      waiting.push(f);
      channel.port2.postMessage(0);
    };
    const trainer = DR.trainer.trainer((message) => soon(() => hear(message)), soon);
    return (message) => soon(() => trainer.receive(message));
  }

  /** @param {(message: Static.Sent) => void} hear @returns {(message: Static.Ordered) => void} */
  function inWorker(hear) {
    const source = new Blob([DR.dom.byId("engine").textContent, START], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(source));
    let heard = false;
    /** @type {Static.Ordered[]} */
    const early = [];
    /** @param {Static.Ordered} message */
    let say = (message) => {
      if (!heard) early.push(message);
      worker.postMessage(message);
    };
    worker.onmessage = ({ data }) => {
      heard = true;
      hear(data);
    };
    worker.onerror = (event) => {
      if (heard) throw new Error(event.message);
      // The browser does not start workers here.
      event.preventDefault();
      heard = true;
      say = inPage(hear);
      for (const message of early) say(message);
    };
    return (message) => say(message);
  }

  /**
   * Starts a trainer, and calls `on.run`, `on.frame` and `on.state` as the connection to a server does.
   *
   * @param {string} _ @param {Live.Handlers} on @returns {Live.Wire}
   */
  function open(_, on) {
    /** @type {Map<number, { done: (result: any) => void, refused: (reason: string) => void }>} */
    const waiting = new Map();
    let number = 0;

    /** @param {Static.Sent} message */
    function hear(message) {
      if (message.type === "frame") return on.frame(message);
      if (message.type === "run") {
        on.run(message);
        DR.own?.run(message);
        return;
      }
      const answer = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.type === "done") answer?.done(message.result);
      else answer?.refused(message.message);
    }

    let say;
    try {
      say = inWorker(hear);
    } catch {
      say = inPage(hear);
    }
    const send = say;
    /** @param {string} type @param {object} fields @returns {Promise<any>} */
    function ask(type, fields) {
      const id = ++number;
      return new Promise((done, refuse) => {
        waiting.set(id, { done, refused: (reason) => refuse(new Error(reason)) });
        send({ type, id, ...fields });
      });
    }

    on.state("open");
    return {
      files: null,
      order: (type, fields = {}) =>
        ask(type, fields).then(
          () => "",
          (error) => error.message,
        ),
      painted: (frame) => send({ type: "ack", id: 0, frame }),
      lens: () => ask("lens", {}),
      rates: () => ask("rates", {}),
      async network(rows, row) {
        /** @type {Static.Moment} */
        const { design, ...moment } = await ask("network", { rows, row });
        return { ...moment, formulas: DR.run.formulas(design) };
      },
    };
  }

  return { open };
})();
DR.wire = localModule;

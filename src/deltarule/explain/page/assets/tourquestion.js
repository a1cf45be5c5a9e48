// @ts-check
// The question at the end of a chapter: a number that is typed, or one of several answers. What is
// right was computed by the chapter; a wrong answer gets a hint, the second one also the calculation.
"use strict";

const tourQuestionModule = (function () {
  const { el } = DR.dom;
  const { short } = DR.tourParts;
  const { read } = DR.text;
  const CARRIED = 0.005; // relative: the error of a result whose factors were rounded to what the page shows
  const NEAR = 0.06; // relative: an answer as near as this has been rounded too much

  /**
   * Whether a number agrees with the answer to three digits, or is as near as products and sums of numbers
   * with four digits come.
   *
   * @param {number} given @param {number} answer
   */
  function agrees(given, answer) {
    if (answer === 0) return given === 0;
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(answer))) - 2);
    return Math.abs(given - answer) <= Math.max(0.6 * unit, CARRIED * Math.abs(answer));
  }

  /**
   * The hint for a wrong number: on the mistake that gives it, if it is a known one.
   *
   * @param {Page.NumberQuestion} question @param {number} given @returns {Page.Child[]}
   */
  function hintFor({ answer, mistakes, hint }, given) {
    const known = mistakes.find(({ value }) => agrees(given, value) && !agrees(value, answer));
    if (known) return [known.hint];
    if (agrees(given, -answer)) return ["The size is right. Look at the sign again."];
    if (Math.abs(given - answer) <= NEAR * Math.abs(answer))
      return ["Nearly. Keep one more digit on the way, and round at the end."];
    return hint;
  }

  /**
   * @param {Page.NumberQuestion} question @param {(right: boolean) => void} tell
   */
  function numberField(question, tell) {
    const field = DR.dom.numberField({ id: "tour-answer", "aria-describedby": "tour-ask" });
    // The decimal keypads of some phones have no minus.
    const sign = el("button", {
      type: "button",
      class: "button",
      "aria-label": "Change the sign",
      title: "Change the sign",
      text: "±",
      onclick: () => {
        const text = field.value.trim();
        field.value = /^[-\u2212]/.test(text) ? text.slice(1) : `${DR.text.MINUS}${text}`;
        field.focus();
      },
    });
    field.addEventListener("input", () => field.removeAttribute("aria-invalid"));
    return {
      element: el(
        "div",
        { class: "row tour-fields" },
        el("label", { for: "tour-answer", text: "Your answer, to three digits" }),
        el("span", { class: "field" }, field, sign),
      ),
      /** @returns {Page.Child[] | null} what is said of a wrong answer */
      check() {
        const given = read(field.value);
        const right = agrees(given, question.answer);
        field.setAttribute("aria-invalid", String(!right));
        if (!right) field.focus();
        tell(right);
        if (Number.isNaN(given)) return ["Expected a number, such as \u22120.25. Three digits are enough."];
        return right ? null : ["Not yet. ", ...hintFor(question, given)];
      },
      answer: () => short(question.answer),
      worked: question.worked,
    };
  }

  /**
   * @param {Page.ChoiceQuestion} question @param {(right: boolean) => void} tell
   */
  function choiceField(question, tell) {
    const inputs = question.choices.map((_, i) =>
      el("input", { type: "radio", name: "tour-answer", value: i, id: `tour-answer-${i}` }),
    );
    const labels = question.choices.map(({ text }, i) =>
      el("label", { class: "tour-choice", for: `tour-answer-${i}` }, inputs[i], el("span", { text })),
    );
    return {
      element: el(
        "div",
        { role: "radiogroup", "aria-labelledby": "tour-ask", class: "tour-choices" },
        ...labels,
      ),
      check() {
        const chosen = inputs.findIndex((input) => input.checked);
        const right = chosen === question.answer;
        if (!right) inputs[Math.max(chosen, 0)].focus();
        tell(right);
        if (chosen < 0) return ["Choose one of the answers first."];
        return right ? null : ["Not yet. ", question.choices[chosen].hint];
      },
      answer: () => question.choices[question.answer].text,
      worked: question.worked,
    };
  }

  /**
   * The form of a question; `solved` is called when the answer is right, or has been shown.
   *
   * @param {Page.TourQuestion} question @param {() => void} solved
   */
  function form(question, solved) {
    let wrong = 0;
    const verdict = el("div", { class: "tour-verdict", role: "status" });
    /** @param {boolean} right */
    const tell = (right) => {
      if (right) solved();
    };
    const field = question.kind === "number" ? numberField(question, tell) : choiceField(question, tell);
    const reveal = el("button", {
      type: "button",
      class: "link",
      hidden: true,
      text: "Show the answer",
      onclick: () => {
        show("good", "The answer is ", field.answer(), ". ", ...question.right);
        reveal.hidden = true;
        solved();
      },
    });
    /** @param {"good" | "bad"} tone @param {Page.Child[]} words */
    function show(tone, ...words) {
      const mark = el("span", { "aria-hidden": "true", text: tone === "good" ? "✓" : "✗" });
      verdict.replaceChildren(el("p", { class: `verdict ${tone}` }, mark, el("span", {}, ...words)));
    }
    const ask = el("p", { id: "tour-ask" }, ...question.ask);
    const box = el(
      "form",
      { class: "tour-question", "aria-labelledby": "tour-question", novalidate: true },
      el("h4", { id: "tour-question", text: "A question" }),
      ask,
      field.element,
      el("button", { type: "submit", class: "button main", text: "Check" }),
      verdict,
      reveal,
    );
    // While it is read, the drawing marks what it is about, and not what the chapter was about.
    const { marks = [] } = question;
    if (marks.length)
      DR.dom.onSight(ask, (inSight) => DR.links.keep(inSight ? marks : []), { threshold: 0.6 });
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      const complaint = field.check();
      if (complaint) {
        ++wrong;
        show("bad", ...complaint);
        if (wrong > 1 && field.worked.length)
          verdict.append(el("p", { class: "tour-worked" }, "The calculation: ", ...field.worked));
      } else if (question.kind === "number")
        show("good", "Right: it is ", field.answer(), ". ", ...question.right);
      else show("good", "Right. ", ...question.right);
      reveal.hidden = !complaint || wrong < 2;
      (reveal.hidden ? verdict : reveal).scrollIntoView({ block: "nearest" });
    });
    return box;
  }

  return { form, read, agrees };
})();
DR.tourQuestion = tourQuestionModule;

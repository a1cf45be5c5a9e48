"""The guided tour: by keyboard alone, by address, on the article's example, on any network."""

import itertools
import re

import numpy as np
import pytest
from tests.browser import frames, violations, violations_in_both_schemes
from tests.explain.page_reading import READ, Expected, check_reading
from tests.explain.pages import GO_TO, SHOWN, Shown, go_to, set_state, until, values

from deltarule.engines import EngineSettings
from deltarule.explain import Explanation
from deltarule.explain.page.tour import STEPS, WEIGHT, example_subject
from deltarule.explain.subject import Subject
from deltarule.explain.subject_builders import subject_of
from deltarule.maths import Network, backprop

CHAPTERS = range(1, 8)


def cost_after(steps):
    """The cost of the example after steps of the rule, by the mathematics alone."""
    subject = example_subject()
    theta = subject.theta
    for _ in range(steps):
        theta = theta - 0.5 * backprop(subject.net, theta, subject.X, subject.Y).grad
    return backprop(subject.net, theta, subject.X, subject.Y).cost


def steepest():
    """Which third of the recorded steps lowers the cost most for a step."""
    last = max(STEPS)
    cuts = [min(STEPS, key=lambda step: abs(step - last * third / 3)) for third in range(4)]
    costs = [cost_after(step) for step in cuts]
    falls = [(costs[i] - costs[i + 1]) / (cuts[i + 1] - cuts[i]) for i in range(3)]
    return int(np.argmax(falls))


def answers():
    """What is right in each chapter, computed from the subject; the last is a choice."""
    subject = example_subject()
    each, trace = subject.per_sample, subject.trace
    W, _ = subject.net.unpack(subject.theta)
    out, y = trace.A[2][0], subject.Y[0]
    j = int(np.argmax((out - y) ** 2))
    moved = y[j] + 0.2 * np.sign(out[j] - y[j])
    delta = each.delta[2][0]
    other = np.argmax(np.where(np.arange(3) == WEIGHT["k"], 0, np.abs(trace.A[1][0])))
    ways = delta @ W[2]
    node = np.argmax(np.where(np.arange(3) == WEIGHT["k"], 0, np.abs(ways)))
    k = int(np.argmax(np.abs(subject.X[0])))
    mean = trace.dW[1][WEIGHT["k"], k]
    return [
        (moved - y[j]) ** 2,
        trace.Z[1][0, 2],
        delta[WEIGHT["j"]] * trace.A[1][0, other],
        ways[node],
        mean,
        -0.5 * mean,
        steepest(),
    ]


def tab_to(page, selector, most=80):
    """Press Tab until an element that matches has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab does not come to {selector}")


def type_answer(page, text):
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


# Types an answer into the field of the question, and checks it; what is said of it.
ANSWER = """(text) => {
  const field = document.getElementById("tour-answer");
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  field.form.requestSubmit();
  return document.querySelector("#tour .tour-verdict").innerText;
}"""
# The same twice with a wrong one; the answer that is shown then, and what is said of that.
SHOW_ANSWER = f"""() => {{
  const answer = {ANSWER};
  answer("7e99");
  answer("7e99");
  const button = [...document.querySelectorAll("#tour button")]
    .find((each) => each.innerText === "Show the answer");
  button.click();
  const words = document.querySelector("#tour .tour-verdict").innerText.split(/\\s+/).join(" ");
  const shown = words.split("The answer is ")[1].split(". ")[0].replace(/\\.+$/, "");
  return [shown, answer(shown)];
}}"""
# Of chapters by their addresses: the heading, the text, the numbers, which kind of question it has,
# and what is said of its answers, of a choice twice the first one.
TOUR_OF = f"""async (addresses) => {{
  const goTo = {GO_TO}, read = {READ}, showAnswer = {SHOW_ANSWER}, found = [];
  for (const address of addresses) {{
    const heading = await goTo(address);
    const chapter = [heading, document.querySelector(".tour-chapter").innerText,
                     read(".tour-chapter")];
    const form = document.querySelector(".tour-question");
    if (document.getElementById("tour-answer")) {{
      const [shown, told] = showAnswer();
      found.push([...chapter, "number", [shown, told.split(/\\s+/).join(" ")]]);
    }} else if (form) {{
      for (let i = 0; i < 2; ++i) {{
        form.querySelector(".tour-choice input").click();
        form.querySelector("[type=submit]").click();
      }}
      found.push([...chapter, "choice", document.querySelector("#tour .tour-verdict").innerText]);
    }} else found.push([...chapter, null, null]);
  }}
  return found;
}}"""


def answer(page, text):
    """Give an answer in one call; return what is said of it. One test gives all by the keyboard."""
    return " ".join(page.evaluate(ANSWER, text).split())


def shown_answer(page):
    """The answer that is shown after two wrong ones, and what is said when it is given."""
    shown, told = page.evaluate(SHOW_ANSWER)
    return shown, " ".join(told.split())


def written(x):
    """A number with three digits, as a student writes it."""
    return f"{x:.3g}"


def verdict(page):
    return " ".join(page.inner_text("#tour .tour-verdict").split())


def heading(page):
    return page.evaluate("document.activeElement.textContent")


def test_the_whole_tour_by_keyboard_alone(show):
    tab = show("softmax")
    page, expected = tab.page, Expected(example_subject())
    page.keyboard.press("t")
    for chapter, right in zip(CHAPTERS, answers(), strict=True):
        until(page, "document.activeElement.textContent", lambda t, n=chapter: t[:2] == f"{n}.")
        assert page.evaluate("location.hash") == f"#tour-{chapter}"
        read = page.evaluate(READ, ".tour-chapter")
        if chapter < 7:  # which shows other moments
            assert check_reading(read, expected, 0) >= 3
        if chapter < 7:
            tab_to(page, "#tour-answer")
            for wrong in ("nothing", written(-right), written(7 * right)):
                type_answer(page, wrong)
                assert "Right" not in verdict(page), chapter
            assert "The calculation:" in verdict(page)
            type_answer(page, written(right))
        else:
            tab_to(page, "#tour [type=radio]")
            for key in ["Space", "ArrowDown", "ArrowDown"]:
                page.keyboard.press(key)
                chosen = int(page.evaluate("document.activeElement.value"))
                page.keyboard.press("Enter")
                assert ("Right" in verdict(page)) == (chosen == right), chosen
                if chosen == right:
                    break
        assert verdict(page).startswith("✓ Right")
        assert page.locator(".tour-chapters .done").count() == chapter
        tab_to(page, ".tour-turn .main")
        page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#tour-1-own"
    tab_to(page, ".tour-head > button")  # around the page
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == ""
    assert page.evaluate("document.activeElement.id") == "tour-link"
    assert page.is_visible("#panel")


def test_a_wrong_answer_gets_the_hint_for_its_mistake(show):
    page = show("article").page
    go_to(page, "#tour-2")
    trace = example_subject().trace
    z, a = trace.Z[1][0, 2], trace.A[1][0, 2]
    for given, hint in (
        (a, "after the activation"),
        (-z, "Look at the sign"),
        (0.15 + 0.025 + 0.075, "negative times a positive"),
        (3.0, "Multiply each input"),
    ):
        assert hint in answer(page, str(given)), given
        assert page.get_attribute("#tour-answer", "aria-invalid") == "true"
    page.click("text=Show the answer")
    assert "The answer is −0.05" in verdict(page)


def test_numbers_are_read_as_people_type_them(show):
    page = show("article").page
    given = ["0,25", ".25", "−0.25", "1/4", "2.5e-1", " - 0.25", "x", "", "1/2/3", "0x10"]
    read = page.evaluate("(all) => all.map((t) => String(DR.tourQuestion.read(t)))", given)
    assert read == ["0.25", "0.25", "-0.25", "0.25", "0.25", "-0.25", "NaN", "NaN", "NaN", "NaN"]
    agrees = "([given, answer]) => DR.tourQuestion.agrees(given, answer)"
    for given, answer, right in (
        (0.271, 0.271211, True),
        (
            0.27,
            0.271211,
            True,
        ),  # which differs by less than factors with four digits may bring about
        (0.26, 0.271211, False),
        (-0.133, -0.1332, True),
        (-0.13, -0.1332, False),
        (0.1, 0.1046, False),
        (0.105, 0.1046, True),
        (0.104, 0.1046, False),
        (0, 0, True),
        (0.001, 0, False),
        (1234, 1234.4, True),
    ):
        assert page.evaluate(agrees, [given, answer]) is right, (given, answer)


def test_a_chapter_has_an_address_and_the_page_is_afterwards_as_it_was(show):
    tab = show("softmax")
    page = tab.page
    edge = {"kind": "edge", "layer": 2, "j": 0, "k": 1}
    set_state(page, selected=edge, sample=3)
    before = page.evaluate("DR.page.state")
    assert go_to(page, "#tour-3").startswith("3.")
    assert not page.is_visible("#panel")
    page.keyboard.press("]")  # a key of what is not shown
    assert go_to(page, "#tour-3-own").startswith("3.")
    expected = Expected(tab.subject)
    read = page.evaluate(READ, ".tour-chapter")
    assert {symbol for symbol, *_ in read} >= {"w^2_{0,1}", "dC_3/dw^2_{0,1}"}
    assert check_reading(read, expected, 3) >= 5
    page.go_back()
    until(page, "location.hash", lambda t: t == "#tour-3")
    page.go_back()
    until(page, "document.documentElement.dataset.tour ?? null", lambda t: t is None)
    assert page.evaluate("DR.page.state") == before
    page.reload()
    for address, chapter in (("#tour", 1), ("#tour-7", 7), ("#tour-99", 7), ("#tour-0", 1)):
        assert go_to(page, address)[0] == str(chapter)
    # An address of the page itself leads out of the tour.
    go_to(page, "#panel")
    assert page.evaluate("document.documentElement.dataset.tour ?? null") is None


def test_what_is_chosen_in_the_drawing_is_derived_beside_it(show):
    page = show("article").page
    go_to(page, "#tour-3")
    page.locator('.tour-drawing [data-node="1,0"]').click()
    assert "Node 0 of layer 1" in page.inner_text(".tour-aside")
    assert not page.is_visible(".tour-chapter")
    page.keyboard.press("Escape")
    assert page.is_visible(".tour-chapter")
    page.locator('.tour-chapter [data-symbol="dz^2_{1}/dw^2_{1,2}"].sym').first.click()
    assert page.is_visible(".tour-aside")
    page.click(".tour-aside button:has-text('Back to chapter 3')")
    assert heading(page).startswith("3.")
    assert page.evaluate("DR.page.state.selected") is None


# How high the numbers of nodes and of plates are on the screen.
LETTERS = """() => [".tour-drawing .node .value", ".flow-plate text"].map((selector) => {
  const all = [...document.querySelectorAll(selector)].map((e) => e.getBoundingClientRect().height);
  return Math.min(...all.filter((height) => height > 0));
})"""
# What is out of sight in the frame of the drawing.
IN_FRAME = """(selector) => {
  const seen = document.querySelector(".tour-drawing .network-frame").getBoundingClientRect();
  return [...document.querySelectorAll(selector)].filter((e) => {
    const { left, top, right, bottom } = e.getBoundingClientRect();
    return left < seen.left || right > seen.right || top < seen.top || bottom > seen.bottom
      || bottom > innerHeight;
  }).map((e) => e.outerHTML.slice(0, 90));
}"""


def test_the_terms_of_a_sum_can_be_read_with_larger_text(show):
    page = show("article", width=1280, height=720).page
    heights = []
    for larger in range(6):
        if larger:
            page.click("#larger")
        for chapter in "14":
            assert go_to(page, f"#tour-{chapter}")[0] == chapter
        until(page, "document.querySelectorAll('.flow-plate.total.done').length", lambda n: n == 1)
        plates = page.eval_on_selector_all(
            ".flow-plate:not(.flying)",
            """(all) => all.map((plate) => {
              const box = plate.querySelector("rect").getBoundingClientRect();
              const { left, top, right, bottom } = box;
              return [plate.querySelector("text").textContent, left, top, right, bottom];
            })""",
        )
        *words, total = [words for words, *_ in plates]
        assert words == ["0.080", "0.026", "\u22121.2e\u22124"]
        assert total.endswith("= 0.106")
        nodes = page.eval_on_selector_all(
            ".tour-drawing [data-node] .face",
            """(all) => all.map((face) => {
              const { left, top, right, bottom } = face.getBoundingClientRect();
              return [left, top, right, bottom];
            })""",
        )
        assert len(nodes) == 9
        for words, left, top, right, bottom in plates:
            assert right - left > 20, words  # it is shown
            for x0, y0, x1, y1 in nodes:
                apart = right < x0 + 1 or left > x1 - 1 or bottom < y0 + 1 or top > y1 - 1
                assert apart, (larger, words)
        # The drawing is scrolled to its sum in the frame after the one in which it is drawn.
        in_frame = f"({IN_FRAME})('.flow-plate.total, .network .node.now .value')"
        until(page, in_frame, lambda outside: outside == [])
        before = page.evaluate(LETTERS)
        assert "Right" in answer(page, written(answers()[3]))
        assert page.evaluate(LETTERS) == pytest.approx(before, abs=0.1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        heights.append(before)
    # A class looks at the drawing: its numbers grow with every step, the plates as well.
    for i in (0, 1):
        each = [height[i] for height in heights]
        assert each == sorted(each)
        assert each[-1] > 1.4 * each[0], each
        assert min(b / a for a, b in itertools.pairwise(each)) > 1.02, each


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 720)])
def test_it_is_accessible_and_nothing_leaves_the_screen(show, width, height):
    page = show("softmax", width=width, height=height).page
    for address in ("1", "4", "7", "5-own"):
        assert go_to(page, f"#tour-{address}")[0] == address[0]
        if address in "14":
            for _ in range(2):
                answer(page, "7")
        # The page as a whole once: it takes longer than its part.
        part = None if address == "1" else "#tour"
        objections = violations if width > 900 else violations_in_both_schemes
        assert objections(page, part) == [], address
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        outside = page.evaluate(
            """() => [...document.querySelectorAll('#tour .tour-text *, #tour a, #tour button')]
                .filter((e) => !e.closest('.formula, .scroll, .unseen, .title, math'))
                .filter((e) => { const r = e.getBoundingClientRect();
                                 return r.width > 0 && (r.left < -1 || r.right > innerWidth + 1); })
                .map((e) => e.outerHTML.slice(0, 120))"""
        )
        assert outside == []


def one_of_each():
    """1-1 with one row, without biases: no hidden layer, no other weight, no other sample."""
    net = Network([1, 1], [], bias=False)
    return Shown("One", Subject.of_arrays(net, [0.5], [[2.0]], [[3.0]]))


def many_rows():
    """3-5-1, 400 rows of which the page has 256, some of weight 0, by adam with clipping."""
    rng = np.random.default_rng(3)
    net = Network([3, 5, 1], "relu", "logistic", "log_loss")
    X, s = rng.standard_normal((400, 3)), rng.integers(0, 3, 400).astype(float)
    return Shown(
        "Many",
        subject_of(
            net, X, (X[:, :1] > 0).astype(float), theta=net.initial(1), sample_weight=s,
            rule="adam", learning_rate=0.01, clip_norm=0.1, l2=0.1,
        ),
    )  # fmt: skip


def with_dropout():
    """2-4-4-2 in a step with dropout; the largest numbers are far outside of what is usual."""
    rng = np.random.default_rng(4)
    net = Network([2, 4, 4, 2], "tanh")
    masks = [None, 2.0 * rng.integers(0, 2, (3, 4)), 2.0 * rng.integers(0, 2, (3, 4)), None]
    subject = Subject.of_arrays(
        net, 1e3 * net.initial(2), 1e-5 * rng.standard_normal((3, 2)), 1e5 * np.ones((3, 2)),
        masks=masks,
    )  # fmt: skip
    settings = EngineSettings(rule="sgd", total_weight=3.0)
    return Shown("Dropout", subject_of(subject, rule=settings.rule, learning_rate=1e-9))


def saturated():
    """A loss that is far out of the range of logarithms, and a derivative that is 0."""
    net = Network([1, 1], [], "logistic", "log_loss", bias=False)
    return Shown("Saturated", Subject.of_arrays(net, [800.0], [[1.0], [0.0]], [[0.0], [1.0]]))


SHOWN |= {f.__name__: f for f in (one_of_each, many_rows, with_dropout, saturated)}


@pytest.mark.parametrize(
    "name", ["one_of_each", "many_rows", "with_dropout", "saturated", "trained", "deep"]
)
def test_it_is_given_on_any_network(show, name):
    """Each chapter has its numbers from Python, and an answer that its own check accepts."""
    tab = show(name)
    page, expected = tab.page, Expected(tab.subject)
    addresses = [f"#tour-{chapter}-own" for chapter in CHAPTERS]
    for chapter, (heading, text, numbers, kind, answered) in zip(
        CHAPTERS, page.evaluate(TOUR_OF, addresses), strict=True
    ):
        assert heading[0] == str(chapter)
        assert not [
            word for word in ("undefined", "null", "NaN", "not a number", "[object") if word in text
        ]
        named = numbers
        if name == "many_rows":  # whose samples are some of the rows: the numbers of all of them
            named = [each for each in numbers if re.match(r"[wb]\^|dC/|C$", each[0])]
        if chapter < 7:
            assert check_reading(named, expected, 0) >= (name != "many_rows"), chapter
        if kind == "number":
            shown, told = answered
            assert "×" in shown or told.startswith("✓ Right"), (chapter, shown)
        elif kind == "choice":
            assert "Right" in answered or "Not yet" in answered
        else:
            assert "not finite" in text
    set_state(page, sample=0)


def test_the_plain_rule_lowers_the_cost_where_no_rule_is_known(show):
    page = show("softmax").page
    go_to(page, "#tour-7-own")
    page.focus("#tour-step")
    page.keyboard.press("End")
    text = page.inner_text(".tour-chapter")
    assert "This page has no record of the training" in text
    assert "the cost falls from" in text
    step = int(page.get_attribute("#tour-step", "max"))
    assert f"After step {step}:" in page.inner_text(".tour-reading")


def test_a_first_step_of_a_rule_with_slots_is_pythons(show):
    tab = show("many_rows")
    set_state(tab.page, selected={"kind": "edge", "layer": 2, "j": 0, "k": 1})
    new = values(tab.page, "#panel")["new w^2_{0,1}"]
    assert new == pytest.approx(Explanation(tab.subject).update_weight(2, 0, 1).value, rel=1e-12)


def with_ways_of_0():
    """2-3-3, whose last output no node of layer 1 leads to."""
    net = Network([2, 3, 3], "tanh")
    theta = net.initial(5)
    W, _ = net.unpack(theta)
    W[2][2] = 0.0
    return Shown("Ways", Subject.of_arrays(net, theta, [[0.5, -1.0]], [[1.0, 0.0, 2.0]]))


SHOWN |= {f.__name__: f for f in (with_ways_of_0,)}


@pytest.mark.parametrize(
    ("name", "said"),
    [("with_ways_of_0", "Two of the three ways count here"), ("trained", "")],
)
def test_an_answer_says_of_the_ways_what_their_numbers_are(show, name, said):
    tab = show(name)
    page = tab.page
    assert go_to(page, "#tour-4-own")[0] == "4"
    asked = page.inner_text("#tour-ask")
    _, told = shown_answer(page)
    # The sentence that leaves no way out goes with weights that are all other than 0.
    assert bool(re.search(r"with the weight 0(?!\.?\d)", asked)) == ("adds nothing" in told)
    assert said in told
    page.evaluate("location.hash = ''")


def test_the_drawing_marks_what_a_question_is_about(show):
    page = show("article", width=1280, height=720).page
    marked = """[...document.querySelectorAll('.tour-drawing .linked')]
      .map((e) => e.dataset.node ?? e.dataset.edge).sort().join(' ')"""
    halo = "getComputedStyle(document.querySelector('.tour-drawing {} .halo')).stroke"
    for chapter in "234":
        assert go_to(page, f"#tour-{chapter}")[0] == chapter
        page.evaluate("document.getElementById('tour-ask').scrollIntoView()")
        until(page, marked, bool)
        text = page.inner_text("#tour-ask")
        found = page.evaluate(marked).split()
        if chapter == "3":
            assert len(found) == 1  # the other weight to the same node
            layer, j, k = found[0].split(",")
            ids = page.eval_on_selector_all(
                "#tour-ask [data-symbol]", "(all) => all.map((e) => e.dataset.symbol)"
            )
            assert f"w^{layer}_{{{j},{k}}}" in ids
        else:
            node = re.search(r"[Nn]ode (\d) of layer 1", text)[1]
            ways = [f"1,{node},{i}" if chapter == "2" else f"2,{i},{node}" for i in range(3)]
            assert found == sorted([f"1,{node}", *ways])
        if chapter == "4":
            assert page.evaluate(halo.format(".now")) == "none"
        # Above the question the chapter's own marks are back.
        page.evaluate("scrollTo(0, 0)")
        until(page, marked, lambda found: not found)
    assert page.evaluate(halo.format(".now")) != "none"


# Observers of what is in sight from now on: the frames that they are told of are kept until `tell`,
# as a browser keeps them that has no time.
BUSY = """(() => {
  const waiting = new Map();
  window.IntersectionObserver = class extends IntersectionObserver {
    constructor(told, options) {
      super((frames) => waiting.get(this).frames.push(...frames), options);
      waiting.set(this, { told, frames: [] });
    }
  };
  window.tell = () => {
    const counts = [...waiting.values()].map(({ frames }) => frames.length);
    for (const { told, frames } of waiting.values()) if (frames.length) told(frames.splice(0));
    return counts.at(-1);
  };
})()"""


def test_a_busy_browser_that_tells_of_two_frames_at_once_marks_what_is_seen_last(show):
    page = show("article", width=1280, height=720).page
    page.evaluate(BUSY)
    marked = "document.querySelectorAll('.tour-drawing .linked').length"
    assert go_to(page, "#tour-2")[0] == "2"
    for place, seen in (
        ("document.getElementById('tour-ask').scrollIntoView()", True),
        ("scrollTo(0, 0)", False),
    ):
        frames(page, 2)
        page.evaluate(place)
        frames(page, 2)
        # The first time, of the question out of sight and in sight.
        assert page.evaluate("tell()") == (2 if seen else 1)
        assert (page.evaluate(marked) > 0) == seen


def test_the_link_to_a_chapter_is_copied(show):
    page = show("article").page
    go_to(page, "#tour-3")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#tour button:has-text('Copy the link')")
    until(page, "document.querySelector('.tour-copy .note').textContent", bool)
    assert page.inner_text(".tour-copy .note") == "Copied."
    assert page.evaluate("navigator.clipboard.readText()").endswith("#tour-3")
    page.context.clear_permissions()


def test_no_chapter_is_wider_than_the_screen_with_the_largest_text(show):
    page = show("article", width=1280, height=720).page
    while not page.is_disabled("#larger"):
        page.click("#larger")
    for chapter in "1234567":
        assert go_to(page, f"#tour-{chapter}")[0] == chapter
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, chapter

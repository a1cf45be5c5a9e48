"""The cards of the loss: what fits into them, at any size of numbers and of text."""

import pytest
from tests.browser import frames
from tests.playground.helpers import holds, press
from tests.playground.static_page import presses_of, static_page, text_size


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with static_page(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture(autouse=True)
def usual(page, request):
    """The size of the text that a test is about."""
    text_size(page, presses_of(request))


# Draws a curve, and gives every text of it as [text, left, right, top, bottom, width, height].
DRAWN = """async ([curve, header, log]) => {
  const place = document.createElement("div"), strip = document.createElement("div");
  place.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 280px; height: 220px";
  strip.style.cssText = "position: fixed; inset: 0 auto auto 300px; width: 200px; height: 36px";
  document.body.append(place, strip);
  const seen = [];
  const kind = CanvasRenderingContext2D.prototype, usual = kind.fillText;
  kind.fillText = function (text, x, y) {
    const { width } = this.measureText(text);
    const left = x - width * { left: 0, start: 0, center: 0.5, right: 1, end: 1 }[this.textAlign];
    const size = parseFloat(/([\\d.]+)px/.exec(this.font)[1]);
    const base = this.textBaseline;
    const top = y - size * { top: 0, middle: 0.45, bottom: 0.9, alphabetic: 0.8 }[base];
    const { clientWidth, clientHeight } = this.canvas;
    seen.push([text, left, left + width, top, top + 0.9 * size, clientWidth, clientHeight]);
  };
  try {
    const losses = DR.losses.mount(place, strip);
    if (log) place.querySelector("#log-loss").checked = true;
    losses.run({ rows: { held: 1 } });
    await new Promise((done) => setTimeout(done, 100));
    seen.length = 0;
    losses.frame({ header, arrays: { curve: Float32Array.from(curve) } });
  } finally {
    kind.fillText = usual;
    place.remove();
    strip.remove();
  }
  return seen;
}"""


@pytest.mark.parametrize("log", [False, True], ids=["linear", "log"])
@pytest.mark.parametrize("presses", [0, 6])
def test_numbers_of_any_size_fit_the_axis_of_the_loss(page, presses, log):
    header = {"loss": 0.5, "held_loss": 0.5, "by_hand": False, "changed": ""}
    for low, high in (
        (1e-12, 3e-12),
        (1e-12, 1e30),
        (0.03, 4.2e6),
        (0.03, 3e38),
        (-2.5e6, 1.0),
        (1e4, 1e5),
        (0.2, 0.7),
    ):
        curve = [0, low, high, 120_000, high, high, 250_000, low, high]
        texts = page.evaluate(DRAWN, [curve, header, log])
        assert len(texts) >= 4, (low, high)
        for text, left, right, top, bottom, width, height in texts:
            assert 0 <= left <= right <= width, (low, high, text)
            assert -0.5 <= top <= bottom <= height + 0.5, (low, high, text)
        # Each tick is one place.
        names = [text for text, *_ in texts]
        assert max(map(len, (n for n in names if "epoch" not in n))) <= 8, names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1e6, "1e6"),
        (2500000, "2.5e6"),
        (1e300, "1e300"),
        (1e-12, "1e\u221212"),
        (-1e-12, "\u22121e\u221212"),
        (0.30000000000000004, "0.3"),
        (2015, "2015"),
        (-0.05, "\u22120.05"),
        (100000, "1e5"),
        (20000, "20000"),
    ],
)
def test_a_tick_has_all_of_its_digits_in_few_characters(page, value, text):
    assert page.evaluate(f"DR.canvas.tick({value!r})") == text


def test_the_curve_marks_where_the_rate_or_a_weight_was_changed(page):
    header = {"loss": 0.5, "held_loss": 0.5, "by_hand": False, "changed": "rate"}
    header["changed_epoch"] = 10
    curve = [x for epoch in range(41) for x in (epoch, 0.5, 0.4)]
    names = [text for text, *_ in page.evaluate(DRAWN, [curve, header, False])]
    assert names.count("rate") == 1
    changes = [("rate", 10), ("weight", 20), ("weight", 30), ("weight", 20), ("rate", 20), ("", 0)]
    seen = page.evaluate(
        """(changes) => {
          let marks = [];
          return changes.map(([changed, changed_epoch]) => {
            marks = DR.losses.marksAfter(marks, { changed, changed_epoch });
            return marks.map(({ kind, epoch }) => [kind, epoch]);
          });
        }""",
        changes,
    )
    assert seen[2] == [["rate", 10], ["weight", 20], ["weight", 30]]
    # The third was taken back; then the second made way for another; then all is new.
    assert seen[3] == [["rate", 10], ["weight", 20]]
    assert seen[4] == [["rate", 10], ["rate", 20]]
    assert seen[5] == []


def test_what_was_found_comes_back_when_what_stands_over_it_is_closed(page):
    seen = page.evaluate(
        """() => {
          const names = ["chart", "layers", "sentences"];
          const told = [];
          const places = names.map((name, i) => {
            const place = DR.found.make(name, document.createElement("button"), (seen) => {
              told[i] = seen;
            }, name === "sentences");
            document.body.append(place.element);
            return place;
          });
          const shown = () => names.filter((_, i) => !places[i].element.hidden).join();
          const seen = [];
          const note = () => seen.push(shown());
          for (const place of places) { place.show("text"); note(); }
          seen.push(told.join());
          places[2].close(); note();
          places[2].show("text"); note();
          // One that is closed below another one stays closed.
          places[1].close(); note();
          places[2].close(); note();
          // Another search takes the place of both.
          places[1].show("text"); places[2].show("text"); places[0].show("more"); note();
          seen.push(DR.found.closeOpen()); note();
          seen.push(DR.found.closeOpen());
          for (const { element } of places) element.remove();
          return seen;
        }"""
    )
    assert seen[:6] == ["chart", "layers", "sentences", "false,false,true", "layers", "sentences"]
    assert seen[6:] == ["sentences", "", "chart", True, "", False]


@pytest.mark.parametrize("presses", [0, 2, 6])
def test_beside_a_derivation_the_verdict_says_the_thing_in_the_room_there_is(page, presses):
    """Every gist is read as a whole, also beside a button, and never under the word "more"."""
    page.locator('[data-edge="1,1,0"]').dispatch_event("click")
    holds(page, "document.documentElement.dataset.panel === 'open'")
    frames(page)
    found = page.evaluate(
        """async () => {
          const words = document.querySelector("[data-verdict]");
          const gist = document.querySelector(".verdict-gist");
          const act = document.querySelector(".verdict-act");
          const more = document.querySelector(".verdict-more");
          const was = [words.textContent, act.textContent, act.hidden];
          const settle = () => new Promise((done) => setTimeout(done, 60));
          const seen = [];
          words.dataset.brief = "It broke off: a weight was set."; // none is longer
          for (const name of ["", "Back to the best epoch", "Begin with 0.0032"]) {
            [act.textContent, act.hidden] = [name, !name];
            for (const text of ["", "It learns. "]) {
              words.textContent = text + "Word by word".repeat(60);
              words.style.paddingRight = "1px"; // another width, for which it is fitted
              await settle();
              words.style.paddingRight = "";
              await settle();
              const range = document.createRange();
              range.selectNodeContents(gist);
              const box = more.getBoundingClientRect(), row = words.getBoundingClientRect();
              const under = [...range.getClientRects()].some(
                (r) => r.right > box.left + 1 && r.bottom > box.top + 2 && r.left < box.right);
              const below = range.getBoundingClientRect().bottom > row.bottom + 2;
              seen.push([name, gist.textContent, gist.hidden, more.hidden, under, below]);
            }
          }
          [words.textContent, act.textContent, act.hidden] = was;
          return seen;
        }"""
    )
    press(page, "Close the derivation")
    page.evaluate("DR.page.set({ selected: null })")
    for name, text, *state in found:
        assert state == [False, False, False, False], (name, text)
    assert {text for _, text, *_ in found} == {"It learns.", "It broke off: a weight was set."}


def test_the_chart_of_rates_grows_with_the_text_and_says_that_there_is_more_below(page):
    press(page, "Find a learning rate")
    page.wait_for_selector(".tune-chart")
    size = "Number(document.querySelector('.tune-tick').getAttribute('font-size'))"
    before = page.evaluate(size)
    text_size(page, 6)
    frames(page)
    assert page.evaluate(size) == pytest.approx(1.5 * before)
    chart = page.locator(".tune-chart").bounding_box()
    body = page.locator(".tune-found").bounding_box()
    assert chart["x"] + chart["width"] <= body["x"] + body["width"]
    more = page.locator(".tune-found .found-below")
    assert more.is_visible()
    for _ in range(10):
        if not more.is_visible():
            break
        more.click()
        frames(page)
    assert not more.is_visible()
    last = page.locator(".tune-found summary").bounding_box()
    assert last["y"] + last["height"] <= 720
    page.get_by_role("button", name="Close: The loss by learning rate").click()

"""The card "Does it learn?", its verdict and what it says of the layers; the chart of rates."""

import pytest
from tests.browser import Watched, browser

from deltarule.playground import write_static_playground
from deltarule.playground.run_diagnosis import rate_limits


@pytest.fixture(scope="module")
def context():
    with browser() as context:
        yield context


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """The address of the static page."""
    return write_static_playground(tmp_path_factory.mktemp("static") / "playground.html").as_uri()


@pytest.fixture(scope="module")
def phone(context, static):
    """The static page on a phone with its settings open, for parts that tests add to it."""
    tab = Watched(context, width=390, height=844)
    tab.page.goto(f"{static}#data=circles")
    tab.page.wait_for_selector("#drawing [data-node]")
    tab.page.evaluate("document.getElementById('fold').open = true")
    yield tab.page
    assert tab.errors == []
    tab.close()


@pytest.fixture(scope="module")
def loaded(context, static):
    """The static page, for what is asked of its functions only."""
    page = context.new_page()
    page.goto(static)
    yield page
    page.close()


@pytest.mark.parametrize(
    ("curve", "header", "words", "stuck"),
    [
        ([0, 1, 1], {"step": 0, "epoch": 0}, "press Play", False),
        (
            [0, 1, 1, 8, 2.0, 2.0],
            {"step": 80, "epoch": 8},
            "The learning rate of 0.1 is probably too high. The loss has risen, from 1.000 to 2",
            True,
        ),
        (
            [0, 1, 1, 8, 0.1, 0.1, 16, 3.0, 3.0],
            {"step": 160, "epoch": 16, "changed": "rate", "changed_epoch": 8},
            "too high. Since the learning rate was changed after epoch 8, the loss has risen, from",
            True,
        ),
        ([0, 1, 1, 8, 0.95, 1.0], {"step": 80, "epoch": 8}, "has hardly fallen", True),
        ([0, 1, 1, 2, 0.95, 1.0], {"step": 20, "epoch": 2}, "A few more epochs will tell", False),
        ([0, 0.77, 1, 8, 0.62, 1.0], {"step": 80, "epoch": 8}, "It learns little: ", True),
        ([0, 0.9, 1, 8, 0.693, 1.0], {"step": 80, "epoch": 8}, "It has learned nothing", True),
        (
            [0, 0.77, 1, 8, 0.62, 1.0],
            {"step": 80, "epoch": 8},
            "for all rows would have 0.69",
            True,
        ),
        (
            [0, 0.77, 1, 8, 0.62, 1.0],
            {"step": 80, "epoch": 8, "linear": True},
            "straight line. Press Use tanh to let its hidden layers bend. It learns little: ",
            False,
        ),
        (
            [0, 0.77, 1, 8, 0.62, 1.0],
            {"step": 80, "epoch": 8, "linear": True, "bare": True},
            "Without a hidden layer the network can only draw a straight line. Press + layer to",
            False,
        ),
        # The rate threw the weights far away, and all rows get one answer.
        (
            [0, 0.7, 1, 3, 90.0, 1.0, 8, 0.69, 1.0],
            {"step": 80, "epoch": 8},
            "of 0.1 is far too high. The loss went up to 90.00 and came back to 0.690; one answer",
            True,
        ),
        # Where the peak is many times the start, it is named, and nothing is probable about it.
        (
            [0, 0.03, 0.03, 1, 4e6, 1.0, 8, 0.068, 0.06],
            {"step": 80, "epoch": 8},
            "of 0.1 is far too high. The loss went up to 4.0e6, and is 0.068 now; it began",
            True,
        ),
        (
            [0, 0.03, 0.03, 8, 4e6, 1.0],
            {"step": 80, "epoch": 8},
            "of 0.1 is far too high. The loss has risen, from 0.030 to 4.0e6.",
            True,
        ),
        # What a weight that was set by hand has done is not the rate's, whatever was found of that.
        (
            [0, 0.7, 1, 4, 0.9, 1, 8, 0.01, 0.01, 9, 0.02, 1, 10, 0.5, 1.0],
            {"step": 100, "epoch": 10, "changed": "weight", "changed_epoch": 8, "found": 0.1},
            "Since a weight was set by hand after epoch 8, the loss has risen, from 0.020 to 0.5",
            False,
        ),
        # After many epochs the rate may have its part in it, and comes after the weight.
        (
            [0, 0.7, 1, 8, 0.01, 0.01, 9, 0.02, 1, 90, 0.5, 1.0],
            {"step": 900, "epoch": 90, "changed": "weight", "changed_epoch": 8},
            "from 0.020 to 0.500. The learning rate of 0.1 is far too high. Before that it was",
            False,
        ),
        # Of a rate that was too high before, the weight tells nothing new.
        (
            [0, 0.7, 1, 8, 2.0, 1.0, 9, 2.0, 1, 10, 3.0, 1.0],
            {"step": 100, "epoch": 10, "changed": "weight", "changed_epoch": 8},
            "of 0.1 is probably too high. Since a weight was set by hand",
            True,
        ),
        (
            [0, 0.7, 1, 8, 0.01, 0.01],
            {
                "step": 100,
                "epoch": 8,
                "changed": "weight",
                "changed_epoch": 8,
                "phase": "diverged",
                "best_epoch": 8,
                "best_loss": 0.01,
            },
            "broken off since a weight was set by hand after epoch 8: a number became too large. P",
            False,
        ),
        # The curve of a long run has lost the first epoch after the change.
        (
            [0, 0.7, 1, 996, 1e-6, 1e-6, 1002, 0.7, 1, 1008, 0.01, 0.01],
            {"step": 9000, "epoch": 1008, "changed": "weight", "changed_epoch": 998},
            "it learns: the loss has fallen from 0.700 to 0.010",
            False,
        ),
        # What trials from the same start have shown is said, and no size of the network blamed.
        *(
            (
                [0, 1, 1, 8, 0.95, 1.0],
                {"step": 80, "epoch": 8, "known": known, "searched": True},
                f"of 0.1 is too {known}: from the same start a {other} one does far better. The",
                True,
            )
            for known, other in (("high", "lower"), ("low", "higher"))
        ),
        ([0, 1, 1, 8, 0.3, 1.0], {"step": 80, "epoch": 8, "known": "high"}, "It learns", False),
        ([0, 1, 1], {"step": 0, "epoch": 0, "undo": "run"}, "Undo brings back the run", False),
        # One that was recommended is not looked for again.
        (
            [0, 0.7, 1, 8, 2.0, 1.0],
            {"step": 80, "epoch": 8, "searched": True, "found": 0.1, "lower": 0.03},
            "The recommended learning rate of 0.1 turns out unsteady. A lower one, such as 0.03, w",
            False,
        ),
        (
            [0, 0.9, 1, *(x for i in range(40) for x in (i + 1, 0.4 if i == 35 else 0.04, 1.0))],
            {"step": 300, "epoch": 40},
            "of 0.1 is rather high. It learns: the loss has fallen from 0.900 to 0.040",
            False,
        ),
        (
            [0, 0.9, 1, *(x for i in range(40) for x in (i + 1, 0.4 if i == 35 else 0.04, 1.0))],
            {"step": 300, "epoch": 40, "found": 0.1, "lower": None},
            "The recommended learning rate of 0.1 turns out unsteady. It learns: the loss has",
            False,
        ),
        (
            [0, 0.9, 1, 8, 0.01, 0.01],
            {
                "step": 90,
                "epoch": 8,
                "phase": "diverged",
                "best_epoch": 8,
                "best_loss": 0.01,
            },
            "After epoch 8 the loss was 0.010: press Back to the best epoch to go on from there.",
            True,
        ),
        ([0, 1, 1, 8, 0.3, 1.0], {"step": 80, "epoch": 8, "linear": True}, "straight line", False),
        ([0, 1, 1, 8, 0.69, 1.0], {"step": 80, "epoch": 8, "penalised": True}, "penalty", True),
        # One that was found and set within a run says nothing of weights that another one has made.
        (
            [0, 1, 1, 8, 0.1, 0.1, 16, 3.0, 3.0],
            {"step": 160, "epoch": 16, "changed": "rate", "changed_epoch": 8, "found": 0.1},
            "of 0.1 was found for a run from the start: press Reset to begin with it.",
            False,
        ),
        # Where a rate was looked for already, another one will not help.
        *(
            (
                [0, 0.77, 1, 8, loss, 1.0],
                {"step": 80, "epoch": 8, "searched": True, **more},
                words,
                False,
            )
            for loss, more, words in (
                (0.62, {}, "probably too small: give it more nodes or layers."),
                (0.62, {"derivable": True}, "more nodes or layers, or derived inputs."),
                (0.75, {"derivable": True}, "more nodes or layers, or derived inputs."),
                (0.62, {"linear": True}, "straight line"),
                (0.3, {}, "It learns"),
            )
        ),
        ([0, 1, 1, 8, 2.0, 2.0], {"step": 80, "epoch": 8, "searched": True}, "too high", True),
        ([0, 1, 1, 8, 0.2, 0.3], {"step": 80, "epoch": 8}, "It learns", False),
        (
            [0, 0.9, 1, *(x for i in range(30) for x in (i + 1, 0.4 + 0.2 * (i % 2), 1.0))],
            {"step": 300, "epoch": 30, "learning_rate": 3},
            "3 is probably too high. The loss jumps about, between 0.400 and 0.600, and falls no",
            True,
        ),
        # Near the end of what can be learned a loss may jump.
        (
            [0, 0.9, 1, *(x for i in range(30) for x in (i + 1, 0.04 + 0.02 * (i % 2), 1.0))],
            {"step": 300, "epoch": 30},
            "It learns",
            False,
        ),
        ([0, 1, 1, 4, 0.3, 0.3, 8, 0.1, 0.6], {"step": 80, "epoch": 8}, "by heart", False),
        ([0, 1, 1], {"step": 3, "epoch": 0, "phase": "diverged"}, "broken off", True),
    ],
)
def test_the_verdict_on_the_losses(loaded, curve, header, words, stuck):
    usual = {"phase": "paused", "learning_rate": 0.1, "guess": 0.693, "limits": rate_limits()}
    given = usual | header
    found = loaded.evaluate(
        "([curve, given]) => DR.advice.verdict(Float32Array.from(curve), given, given)",
        [curve, given],
    )
    assert words in found["text"]
    assert found["stuck"] is stuck
    # The gist has room in two short lines.
    assert 0 < len(found["brief"]) <= 31


def test_a_network_that_has_learned_nothing_is_sent_to_its_layers_first(context, static):
    """What the card says and asks for goes by the losses, also of nodes that are off."""
    tab = Watched(context, width=390, height=844)
    page = tab.page
    page.goto(f"{static}#data=circles")
    page.wait_for_selector("#drawing [data-node]")
    shown = page.evaluate(
        """async (limits) => {
          const place = document.createElement("div");
          document.getElementById("settings").before(place);
          const dead = { kind: "dead", layers: [1], serious: true };
          const sizes = [0.002, null, 0.4];
          const lens = async () => ({ rows: 9, of: 9, sizes, findings: [dead] });
          const todo = "Choose another rate and press Reset.";
          const plain = { dead: ["Some nodes are off.", todo, [], ""] };
          let resets = 0;
          const more = { searched: () => false, reset: () => ++resets };
          const rate = document.createElement("button");
          rate.textContent = "Find a learning rate";
          const card = DR.advice.mount(place, () => ({ lens }), plain, limits, rate, more);
          const settings = { layers: [4], activation: "relu", l1: 0, l2: 0 };
          card.run({ guess: 0.693, settings, net: {}, rows: {}, choices: { derived: [] } });
          const seen = [];
          for (const loss of [0.693, 0.1, 0.6]) {
            const header = { step: 80, epoch: 8, phase: "paused", learning_rate: 0.1 };
            const curve = Float32Array.from([0, 0.9, 0.9, 8, loss, loss]);
            card.frame({ header, arrays: { curve } });
            const asked = [...place.querySelectorAll("button"), rate].filter((b) => !b.hidden);
            const order = asked.filter((b) => b.matches(".suggested")).map((b) => b.textContent);
            asked.find((b) => b.textContent.startsWith("Look")).click();
            await new Promise((done) => setTimeout(done, 50));
            const item = place.querySelector("li");
            const sizes = [...place.querySelectorAll("[data-size-of]")].map((n) => n.textContent);
            [...item.querySelectorAll("button")].find((b) => b.textContent === "Reset").click();
            seen.push([order, item.className, item.textContent, sizes, resets]);
          }
          place.remove();
          return seen;
        }""",
        rate_limits(),
    )
    look, rate = "Look into the layers", "Find a learning rate"
    nothing, well, little = shown
    assert (nothing[0], well[0], little[0]) == ([look], [], [rate])
    assert (nothing[1], well[1], little[1]) == ("serious", "", "serious")
    assert (
        "nothing has to be done. To use them, too: choose another rate and press Reset." in well[2]
    )
    assert "nothing has to be done" not in nothing[2]
    # This page has no gradient lens to speak of.
    assert "lens" not in nothing[2]
    assert "dead nodes" in nothing[2]
    assert little[3] == ["layer 1 0.002", "layer 2 not finite", "layer 3 0.400"]
    assert [each[4] for each in shown] == [1, 2, 3]
    assert tab.errors == []
    tab.close()


def test_the_verdict_names_the_rate_as_soon_as_the_layers_have_told_it(loaded):
    said = loaded.evaluate(
        """async (limits) => {
          const place = document.createElement("div");
          document.body.append(place);
          const seen = "600 steps brought the loss from 1 to 0.95.";
          const finding = { kind: "learning rate too high", layers: [], serious: true, seen };
          const lens = async () => ({ rows: 9, of: 9, sizes: [0.1], findings: [finding] });
          const plain = { "learning rate too high": ["Too high.", "Press Reset.", [], ""] };
          const rate = document.createElement("button");
          const more = { searched: () => false, reset: () => {} };
          const card = DR.advice.mount(place, () => ({ lens }), plain, limits, rate, more);
          const settings = { layers: [4], activation: "tanh", l1: 0, l2: 0, learning_rate: 0.6 };
          card.run({ guess: 0.693, settings, net: {}, rows: {}, choices: { derived: [] } });
          const curve = Float32Array.from([0, 1, 1, 8, 0.95, 1]);
          const words = () => place.querySelector("[data-verdict]").textContent;
          const frame = (more) => {
            const header = { step: 80, epoch: 8, phase: "paused", learning_rate: 0.6, ...more };
            card.frame({ header, arrays: { curve } });
            return words();
          };
          const said = [frame({})];
          const asked = [...place.querySelectorAll("button")];
          asked.find((b) => b.textContent.startsWith("Look")).click();
          await new Promise((done) => setTimeout(done, 50));
          said.push(words(), frame({ learning_rate: 0.1 }), frame({}));
          place.remove();
          return said;
        }""",
        rate_limits(),
    )
    named = "The learning rate of 0.6 is too high: from the same start a lower one does far better."
    assert [named in each for each in said] == [False, True, False, True]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([0.9, 0.5, 0.2, 0.2, 0.22], ["recommended: 0.01", None, ""]),
        (
            [0.9, 0.5, 0.2, 0.4, 0.6],
            ["recommended: 0.01", "too high", "from 0.1 on the loss is larger again."],
        ),
        (
            [0.9, 0.5, 0.2, 0.4, None],
            ["recommended: 0.01", "too high", "larger again, and from 1 on it diverges"],
        ),
        # A lower rate that does nearly as well is steadier; a much lower one only slower.
        ([0.207, 0.207, 0.205, 0.9, 0.2], ["recommended: 1", None, ""]),
        ([0.9, 0.9, 0.205, 0.204, 0.2], ["recommended: 0.1", None, ""]),
        ([0.9, 0.5, 0.203, 0.2, 2.0], ["recommended: 0.01", "too high", "from 1 on the loss"]),
        ([0.9, 0.5, 0.2, 1.5, 2.0], ["recommended: 0.01", "too high", "from 0.1 on the loss ends"]),
        ([0.9, 0.5, 0.2, None, None], ["recommended: 0.01", "diverges", "from 0.1 on it diverges"]),
        (
            [0.9, 0.5, 0.2, 1.5, None],
            ["recommended: 0.01", "too high", "above its start, and from 1 on it diverges"],
        ),
        # The names of both would touch, and the curve goes up beside them.
        ([0.9, 0.5, 0.4, 0.2, 2.0], ["recommended: 0.1", "too high", "from 1 on the loss ends"]),
        # Above the start between two rates that help: from there on no loss is near the smallest.
        (
            [0.2, 1.5, 0.3, 0.5, 2.0],
            ["recommended: 0.0001", "too high", "from 0.001 on the loss is larger again, and from"],
        ),
    ],
)
def test_the_chart_of_rates_names_its_axes_the_best_rate_and_those_that_are_too_high(
    phone, losses, words
):
    page = phone
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    best = rates[min(range(5), key=lambda i: losses[i] or 9)]
    orders, before, after, notes, lower = page.evaluate(
        """(found) => {
          document.getElementById("planted")?.remove(); // that of the test before
          const place = document.createElement("div");
          place.id = "planted";
          document.getElementById("settings").before(place);
          const wire = { rates: async () => found };
          const orders = [];
          const runs = (learning_rate) => {
            const settings = { rule: "adam", loss: "", learning_rate };
            tune.run({ settings, choices: { without_rate: [] }, net: {}, rows: {} });
          };
          const tune = DR.tune.mount(place, () => wire, async (type, given) => {
            orders.push(type);
            if (type === "rate") runs(given.learning_rate);
            return "";
          });
          const before = tune.searched();
          runs(0.5);
          return tune.find().then(() => {
            const buttons = [...place.querySelectorAll("button")];
            buttons.find((b) => b.textContent === "Reset").click();
            const learning_rate = tune.found();
            const notes = [[5, "rate"], [0, ""], [5, ""], [9, "weight"]].map(([step, changed]) => {
              tune.frame({ step, changed, learning_rate });
              return place.querySelector(".note").textContent;
            });
            tune.steady(false);
            notes.push(place.querySelector(".note").textContent);
            runs(0.5);
            tune.frame({ step: 9, changed: "rate", learning_rate: 0.5 });
            notes.push(place.querySelector(".note").textContent);
            return [orders, before, tune.searched(), notes, tune.lower()];
          });
        }""",
        {"rates": rates, "losses": losses, "suggestion": best, "start": 1.0, "steps": 300},
    )
    # The word in "press Reset" is a button that does it.
    assert (orders, before, after) == (["rate", "reset"], False, True)
    # What has become of the rate: set within a run, at its start, begun with, unsteady.
    within, start, begun, edited, unsteady, other = (note.split(". After")[0] for note in notes)
    assert within.endswith(", which is now set; press Reset to begin with it")
    assert start.endswith(", which is now set: press Play")
    assert begun.endswith(", with which this run began")
    assert edited == begun
    assert "its loss jumps: the rate turns out unsteady" in unsteady
    assert (lower is None) is ("a lower one" not in unsteady)
    assert "set" not in other
    best_words, high, said = words
    texts = page.eval_on_selector_all(
        "#planted .tune-chart text", "(all) => all.map((n) => n.textContent)"
    )
    assert {"loss", "learning rate, log scale", best_words, "0.0001"} <= set(texts)
    assert (high in texts) if high else not {"too high", "diverges"} & set(texts)
    # The loss axis names the smallest, one between, and that of the start or the largest.
    assert page.locator("#planted .tune-level").count() >= 3
    for mark in (".tune-chart :is(.tune-again, .tune-bad)", ".tune-key:is(.again, .bad)"):
        assert (page.locator(f"#planted {mark}").count() > 0) is bool(high)
    # What is shaded is every rate that is too high, and no other.
    edges = page.evaluate(
        """() => {
          const box = (element) => element.getBoundingClientRect();
          const shaded = [...document.querySelectorAll("#planted :is(.tune-again, .tune-bad)")];
          const from = Math.min(Infinity, ...shaded.map((part) => box(part).left));
          const marks = document.querySelectorAll("#planted :is(circle, .tune-cross)");
          return [...marks].map((mark) => (box(mark).left + box(mark).right) / 2 > from);
        }"""
    )
    best_loss = min(loss for loss in losses if loss is not None)
    wrong = [loss is None or loss > best_loss + 0.05 * (1.0 - best_loss) for loss in losses]
    first = max((i + 1 for i in range(5) if not wrong[i]), default=0)
    assert edges == [i >= first for i in range(5)]
    label = page.get_attribute("#planted .tune-chart", "aria-label")
    assert said in label
    assert said in page.inner_text("#planted .note")
    assert "logarithmic scale" in label
    # Nothing leaves the chart, no two words touch, and none is smaller than 11 px.
    boxes = page.evaluate(
        """() => {
          const svg = document.querySelector("#planted .tune-chart").getBoundingClientRect();
          return [...document.querySelectorAll("#planted .tune-chart text")].map((text) => {
            const { left, top, right, bottom } = text.getBoundingClientRect();
            const wide = left >= svg.left - 1 && right <= svg.right + 1;
            const inside = wide && bottom <= svg.bottom + 1;
            const size = parseFloat(getComputedStyle(text).fontSize);
            return [left, top, right, bottom, inside, size];
          });
        }"""
    )
    assert all(inside and size >= 11 for *_, inside, size in boxes)
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 4 or b[3] <= a[1] + 4
    # Both names stand above the curve, whose highest point may lie at the upper edge.
    over = page.evaluate(
        """() => {
          const box = (element) => element.getBoundingClientRect();
          const top = Math.min(
            ...[...document.querySelectorAll("#planted .tune-line, #planted circle")].map(
              (part) => box(part).top,
            ),
          );
          return [...document.querySelectorAll("#planted :is(.tune-named, .tune-bad-word)")].map(
            (word) => top - box(word).bottom,
          );
        }"""
    )
    assert len(over) == (2 if high else 1)
    assert min(over) > -4  # the room below a line of letters


# Losses that fell to 4e-6, a rate that ruins them, and the epochs after it was lowered again.
RUINED = [(0, 0.7, 0.7), (10, 0.01, 0.02), (20, 4e-6, 1e-5), (22, 2.0, 2.0)]
RUINED += [(22 + i, 2.0 - 0.03 * i, 1.0 + 0.05 * i) for i in range(1, 31)]
LEARNED = [(0, 0.7, 0.7), *((i, 0.5 / i, 0.6 / i) for i in range(1, 31))]


@pytest.mark.parametrize(
    ("curve", "header", "words", "missing", "stuck"),
    [
        (
            RUINED,
            {"changed": "rate", "changed_epoch": 22},
            [
                "Since the learning rate was changed after epoch 22, it has learned nothing",
                "from 2.000 to 1.100 in 30 epochs",
                "after epoch 20 it was 4",
                "Undo",
            ],
            ["by heart", "L2"],
            True,
        ),
        (
            RUINED,
            {"changed": "weight", "changed_epoch": 22},
            [
                "Since a weight was set by hand after epoch 22, it has learned nothing",
                "in 29 epochs",
            ],
            ["by heart"],
            True,
        ),
        (
            RUINED[:5],
            {"changed": "rate", "changed_epoch": 23},
            ["next epochs will tell"],
            [],
            False,
        ),
        (RUINED[:5], {"changed": "weight", "changed_epoch": 22}, ["next epochs"], [], False),
        # A rate that is lowered where the loss is small already: not that nothing is learned.
        (
            [*LEARNED, *((30 + i, 0.016, 0.02) for i in range(1, 21))],
            {"changed": "rate", "changed_epoch": 30},
            ["hardly changed, from 0.017 to 0.016; in all it has fallen from 0.7"],
            ["too high", "better"],
            False,
        ),
        (
            LEARNED,
            {"changed": "rate", "changed_epoch": 10},
            ["Since the learning rate was changed after epoch 10, it learns: the loss has fallen"],
            ["better", "by heart"],
            False,
        ),
        (
            [*LEARNED, *((30 + i, 0.017 + 0.1 * i, 1.0) for i in range(1, 10))],
            {"changed": "rate", "changed_epoch": 30, "learning_rate": 7},
            ["after epoch 30, the loss has risen", "rate of 7", "after epoch 30 it was 0.017"],
            [],
            True,
        ),
        # The rows held out have become worse since the change: that is by heart.
        (
            [*LEARNED, *((30 + i, 0.0166 / i, 0.02 * i) for i in range(1, 10))],
            {"changed": "rate", "changed_epoch": 30},
            ["it learns", "by heart"],
            ["better"],
            False,
        ),
    ],
)
def test_the_verdict_after_a_change_within_the_run(loaded, curve, header, words, missing, stuck):
    usual = {"phase": "paused", "learning_rate": 1, "guess": 0.693, "limits": rate_limits()}
    given = usual | {"step": 10 * curve[-1][0], "epoch": curve[-1][0]} | header
    found = loaded.evaluate(
        "([curve, given]) => DR.advice.verdict(Float32Array.from(curve.flat()), given, given)",
        [curve, given],
    )
    for each in words:
        assert each in found["text"]
    for each in missing:
        assert each not in found["text"]
    assert found["stuck"] is stuck

"""The static playground's data, weights, order of rows and numbers are those of Python."""

import json

import numpy as np
import pytest
from tests.browser import browser

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.playground import BUILTIN, RunSettings, builtin_data
from deltarule.playground.decision_surface import surface_levels
from deltarule.playground.run_state import data_for, make_run_state
from deltarule.playground.run_subject import run_payload
from deltarule.playground.run_view import describe_run
from deltarule.playground.settings import STARTS, fitted_settings, network_for
from deltarule.playground.static_page import engine_script
from deltarule.tables.derived_features import DERIVED
from deltarule.training import Batches


@pytest.fixture(scope="module")
def page():
    with browser() as context:
        page = context.new_page()
        page.evaluate(engine_script())
        # A trainer whose messages are kept, and a way to take steps of its run.
        page.evaluate(
            """() => {
              globalThis.sent = [];
              globalThis.begun = (settings) => {
                sent.length = 0;
                DR.catalogue.first = { ...DR.catalogue.first, ...settings };
                globalThis.later = [];
                globalThis.trainer = DR.trainer.trainer((m) => sent.push(m), (f) => later.push(f));
                return sent.find((m) => m.type === "run");
              };
              globalThis.later = [];
              // The frame that is sent after what was asked.
              globalThis.frame = () => {
                while (later.length) later.shift()();
                const { header, arrays } = sent.filter((m) => m.type === "frame").at(-1);
                const lists = Object.entries(arrays).map(([name, array]) => [name, [...array]]);
                return { header, arrays: Object.fromEntries(lists) };
              };
              globalThis.asked = (type, fields) => {
                trainer.receive({ type, id: 1, ...fields });
                return sent.filter((m) => m.id === 1).at(-1);
              };
            }"""
        )
        yield page


def settings_of(**changes):
    data = changes.get("data", "spirals")
    start = {k: tuple(v) if isinstance(v, list) else v for k, v in STARTS[data].items()}
    return RunSettings(**({"data": data} | start | changes))


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize(("rows", "noise", "held", "seed"), [(60, 0.1, 0.3, 0), (301, 0, 0.25, 9)])
def test_built_in_data_are_pythons(page, name, rows, noise, held, seed):
    derived = () if name == "digits" else tuple(DERIVED)[: seed // 3]
    given = {"rows": rows, "noise": noise, "held": held, "seed": seed, "derived": derived}
    ours = builtin_data(name, **given)
    theirs = page.evaluate(
        """(settings) => {
          const { X, y, held, trained, axes, inputs, target } = DR.datasets.builtin(settings);
          const lists = { X: [...X.values], y: [...y], held: [...held], trained: [...trained] };
          return { ...lists, axes, inputs, target };
        }""",
        given | {"data": name, "derived": list(derived)},
    )
    np.testing.assert_array_equal(np.float32(theirs["X"]).reshape(ours.X.shape), ours.X)
    np.testing.assert_allclose(theirs["y"], ours.y, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(theirs["held"], ours.held)
    np.testing.assert_array_equal(theirs["trained"], ours.trained)
    assert theirs["inputs"] == list(ours.inputs)
    assert theirs["target"]["classes"] == list(ours.target.classes)
    assert [axis["name"] for axis in theirs["axes"]] == [axis.name for axis in ours.axes]


def same(theirs, ours):
    """The names of those items of the description that differ by more than rounding."""

    def close(a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(close, a, b))
        numbers = isinstance(a, float | int) and isinstance(b, float | int)
        return abs(a - b) <= 2e-5 * max(1, abs(b)) if numbers else a == b

    return {name for name in ours if not close(theirs[name], ours[name])}


RUNS = [
    settings_of(),
    settings_of(rule="adamw", l2=3.0, seed=5, batch_size=50),
    settings_of(data="digits", rows=200, loss="log_loss", activation="selu", layers=(5,)),
    settings_of(data="moons", rule="irprop+", layers=(), l2=1.0, l1=0.5),
    settings_of(data="bumps", loss="huber", l1=0.1, derived=("product", "sine_1")),
    settings_of(data="xor", activation="relu", loss="cross_entropy", held=0.0, batch_size=0),
]


@pytest.mark.parametrize("settings", RUNS, ids=lambda s: f"{s.data} {s.rule}")
def test_a_run_is_the_reference_engines(page, settings):
    """From the same weights, over the same batches: the same parameters but for rounding."""
    data = data_for(settings, None)
    settings = fitted_settings(settings, data)
    net = network_for(data, settings)
    exact = net.with_changes(dtype=np.float64)
    X = data.X.astype(np.float64)
    Y = net.loss.prepare(data.targets(net), len(X), net.n_outputs, exact.dtype)
    state = make_run_state(settings)
    size = state.run.batches.batch_size
    batches = Batches(X, Y, np.ones(len(X)), size, settings.seed, True, rows=data.trained)
    engine = ReferenceEngine()
    penalties = {"l2": settings.l2, "l1": settings.l1, "total_weight": len(data.trained)}
    options = EngineSettings(rule=settings.rule, **penalties)
    engine.load(exact, net.initial(settings.seed).astype(np.float64), options)
    steps = 2 * batches.steps_per_epoch + 1
    for step in range(steps):
        epoch, first = divmod(step, batches.steps_per_epoch)
        engine.step(next(batches.epoch(epoch, first)), settings.learning_rate)

    described = page.evaluate("(settings) => begun(settings)", settings.plain())
    page.evaluate("(n) => { for (let i = 0; i < n; ++i) asked('step', {}); }", steps)
    theirs = page.evaluate("asked('network', { rows: 'step' }).result")
    shown = page.evaluate("frame()")
    theta = np.array(theirs["payload"]["states"][0]["theta"]["values"])
    assert theirs["step"] == steps
    np.testing.assert_allclose(theta, engine.theta, rtol=1e-9, atol=1e-11)

    # The description is the served playground's, and the surface that of these parameters.
    served = json.loads(json.dumps(describe_run(state, None)))
    own = {"type", "version", "steps_per_second", "own"}
    assert described.keys() - own == served.keys()
    assert same(described, served) == {"engine"}
    side = shown["header"]["side"]
    levels = surface_levels(data, state.plane.outputs(engine.predict, side))
    for name, values in levels.items():
        gap = np.abs(np.array(shown["arrays"][name]) - values.astype(float))
        assert (gap > 1).mean() < 1e-3, name
    curve = np.array(shown["arrays"]["curve"]).reshape(-1, 3)
    assert [int(epoch) for epoch in curve[:, 0]] == list(
        range(steps // batches.steps_per_epoch + 1)
    )

    # The rows of the next step too, and the served playground's payload has the same parts.
    state.run.advance(batches.steps_per_epoch)
    state.run.advance(batches.steps_per_epoch)
    state.run.advance(1)
    served = json.loads(json.dumps(run_payload(state.snapshot(), "step")["payload"]))
    assert theirs["payload"]["names"] == served["names"]
    assert theirs["payload"]["net"] == served["net"]
    assert theirs["payload"].keys() == served.keys()
    assert theirs["payload"]["states"][0].keys() == served["states"][0].keys()
    update = theirs["payload"]["states"][0]["update"]
    assert update.keys() == served["states"][0]["update"].keys()
    for name in ("value", "slope", "loss", "loss_derivative", "fused_derivative"):
        assert theirs["payload"]["mathml"][name] == served["mathml"][name]


@pytest.mark.parametrize("begin", ["reset", "setup"])
def test_the_next_run_begins_with_the_rate_that_was_set_last(page, begin):
    page.evaluate("(settings) => begun(settings)", settings_of(learning_rate=0.01).plain())
    page.evaluate("asked('step', {})")
    page.evaluate("asked('rate', { learning_rate: 0.25 })")
    page.evaluate("asked('step', {})")
    page.evaluate(f"asked('{begin}', {{ settings: {{ seed: 3 }} }})")
    described = page.evaluate("sent.filter((m) => m.type === 'run').at(-1)")
    header = page.evaluate("frame().header")
    assert header["step"] == 0
    assert described["settings"]["learning_rate"] == header["learning_rate"] == 0.25


def test_the_losses_after_a_weight_was_set_by_hand_are_pythons(page):
    settings = settings_of(data="moons", rows=80)
    state = make_run_state(settings)
    page.evaluate("(settings) => begun(settings)", settings.plain())
    for _ in range(5):
        state.run.advance(1)
        page.evaluate("asked('step', {})")
    assert page.evaluate("frame().header.by_hand") is False
    assert state.by_hand(moving=False) is None
    state.set_parameter(2, -3.0)
    page.evaluate("asked('weight', { entry: 2, value: -3 })")
    header = page.evaluate("frame().header")
    assert header["by_hand"] is True
    loss, held = state.by_hand(moving=False)
    assert (header["loss"], header["held_loss"]) == pytest.approx((loss, held), rel=1e-4)


# For each activation: whether a block of rows has the bits of its rows one by one, and how far a
# draft is off, in units of the layer's largest value; at points far out too.
PASSES = """
() => {
  const D = DR.driver, widths = [2, 5, 4, 3], rows = 41;
  return Object.keys(DR.library.activations).map((hidden) => {
    const design = { widths, hidden, output: "cross_entropy/softmax", rule: "sgd", penalties: {} };
    const net = D.network(DR.run.describe(design).net, DR.run.formulas(design));
    const theta = Float64Array.from({ length: net.p }, (_, i) => Math.sin(9 * i));
    const exact = D.block(net, rows), draft = D.block(net, rows);
    for (const A of [exact, draft])
      for (let i = 0; i < rows; ++i) [A[0][0][i], A[0][1][i]] = [(i - 20) / 4, Math.cos(i)];
    D.forwardBlock(net, theta, exact);
    D.forwardBlock(DR.draft(net), theta, draft);
    let same = true, off = 0;
    for (let i = 0; i < rows; ++i) {
      const { A } = D.forward(net, theta, exact[0].map((column) => column[i]));
      A.forEach((layer, l) => layer.forEach((a, j) => { same &&= exact[l][j][i] === a; }));
    }
    exact.forEach((layer, l) => {
      const most = Math.max(...layer.flatMap((column) => [...column]).map(Math.abs));
      layer.forEach((column, j) => column.forEach((a, i) => {
        off = Math.max(off, Math.abs(draft[l][j][i] - a) / most);
      }));
    });
    return [hidden, same, off];
  });
}
"""


def test_a_block_of_rows_is_its_rows_and_a_draft_is_off_by_less_than_a_colour(page):
    found = page.evaluate(PASSES)
    assert len(found) > 10
    assert all(same for _, same, _ in found), found
    assert max(off for *_, off in found) < 1 / 510, found
    assert max(off for *_, off in found) > 0  # it is a draft

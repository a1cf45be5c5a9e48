"""The static playground's data, weights, order of rows and numbers are those of Python."""

import json

import numpy as np
import pytest
from tests.browser import browser

from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.playground import BUILTIN, RunSettings, builtin_data
from deltarule.playground.run_state import make_run_state
from deltarule.playground.run_subject import run_payload
from deltarule.playground.settings import STARTS, fitted_settings, network_for
from deltarule.playground.static_page import engine_script
from deltarule.training import Batches


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as context:
        page = context.new_page()
        page.evaluate(engine_script())
        # A trainer whose messages are kept, and a way to take steps of its run.
        page.evaluate(
            """() => {
              globalThis.sent = [];
              globalThis.begun = (settings) => {
                sent.length = 0;
                DR.catalogue.first = { ...DR.catalogue.first, ...settings };
                globalThis.trainer = DR.trainer.trainer((m) => sent.push(m), (f) => later.push(f));
                globalThis.later = [];
                return sent.find((m) => m.type === "run");
              };
              globalThis.later = [];
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
    ours = builtin_data(name, rows=rows, noise=noise, held=held, seed=seed)
    given = {"data": name, "rows": rows, "noise": noise, "held": held, "seed": seed}
    theirs = page.evaluate(
        """(settings) => {
          const { X, y, held, trained, axes, inputs, target } = DR.datasets.builtin(settings);
          const lists = { X: [...X.values], y: [...y], held: [...held], trained: [...trained] };
          return { ...lists, axes, inputs, target };
        }""",
        given,
    )
    np.testing.assert_array_equal(np.float32(theirs["X"]).reshape(ours.X.shape), ours.X)
    np.testing.assert_array_equal(theirs["y"], ours.y)
    np.testing.assert_array_equal(theirs["held"], ours.held)
    np.testing.assert_array_equal(theirs["trained"], ours.trained)
    assert theirs["inputs"] == list(ours.inputs)
    assert theirs["target"]["classes"] == list(ours.target.classes)
    assert [axis["name"] for axis in theirs["axes"]] == [axis.name for axis in ours.axes]


RUNS = [
    settings_of(),
    settings_of(rule="adamw", l2=3.0, seed=5, batch_size=50),
    settings_of(data="digits", rows=200, loss="log_loss", activation="selu", layers=(5,)),
    settings_of(data="moons", rule="irprop+", layers=(), l2=1.0),
    settings_of(data="xor", activation="relu", loss="cross_entropy", held=0.0, batch_size=0),
]


@pytest.mark.parametrize("settings", RUNS, ids=lambda s: f"{s.data} {s.rule}")
def test_a_run_is_the_reference_engines(page, settings):
    """From the same weights, over the same batches: the same parameters but for rounding."""
    data = builtin_data(
        settings.data,
        rows=settings.rows,
        noise=settings.noise,
        held=settings.held,
        seed=settings.seed,
    )
    settings = fitted_settings(settings, data)
    net = network_for(data, settings)
    exact = net.with_changes(dtype=np.float64)
    X = data.X.astype(np.float64)
    Y = net.loss.prepare(data.targets(net), len(X), net.n_outputs, exact.dtype)
    state = make_run_state(settings)
    size = state.run.batches.batch_size
    batches = Batches(X, Y, np.ones(len(X)), size, settings.seed, True, rows=data.trained)
    engine = ReferenceEngine()
    options = EngineSettings(rule=settings.rule, l2=settings.l2, total_weight=len(data.trained))
    engine.load(exact, net.initial(settings.seed).astype(np.float64), options)
    steps = 2 * batches.steps_per_epoch + 1
    for step in range(steps):
        epoch, first = divmod(step, batches.steps_per_epoch)
        engine.step(next(batches.epoch(epoch, first)), settings.learning_rate)

    page.evaluate("begun", settings.plain())
    page.evaluate("(n) => { for (let i = 0; i < n; ++i) asked('step', {}); }", steps)
    theirs = page.evaluate("asked('network', { rows: 'step' }).result")
    theta = np.array(theirs["payload"]["states"][0]["theta"]["values"])
    assert theirs["step"] == steps
    np.testing.assert_allclose(theta, engine.theta, rtol=1e-9, atol=1e-11)

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

"""The settings: choices, ranges and start values."""

import dataclasses
import math

import numpy as np
import pytest

from deltarule.errors import InputError, short_repr
from deltarule.maths import LOSSES
from deltarule.playground import BUILTIN, Data, RunSettings, TargetSpec, start_run
from deltarule.playground.frame_format import unpack_frame
from deltarule.playground.run_state import make_run_state
from deltarule.playground.run_view import encode_frame
from deltarule.playground.runner import Runner
from deltarule.playground.settings import (
    STARTS,
    activations,
    checked_settings,
    legal_losses,
    ranges,
    starting_with,
)
from deltarule.training import StopFlag

MOST_ROWS = int(ranges()["rows"]["max"])


def data_with(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).astype(np.float32)
    y = np.arange(40) % n_classes if n_classes else rng.normal(size=40)
    classes = tuple(map(str, range(n_classes)))
    return Data(
        X, y, np.arange(8), ("a", "b", "c"), TargetSpec("t", classes), np.zeros(3), np.ones(3)
    )


@pytest.mark.parametrize("n_classes", [0, 2, 5])
def test_every_offered_loss_trains(n_classes):
    data = data_with(n_classes)
    for loss in legal_losses(n_classes):
        net, run = start_run(data, RunSettings(loss=loss), StopFlag())
        before = np.array(run.engine.theta)
        run.advance(3)
        assert net.loss.accepts(net.output_activation)
        assert (run.engine.theta != before).any()


def test_every_registered_loss_is_offered_but_for_known_exceptions():
    offered = {loss for n in (0, 2, 3) for loss in legal_losses(n)}
    # Quantities are standardised, and poisson needs positive targets; without class weights, which
    # the page does not offer, weighted_log_loss equals log_loss.
    assert set(LOSSES.names()) - offered == {"poisson", "weighted_log_loss"}


@pytest.mark.parametrize("name", ["softmax"])
def test_hidden_layers_have_no_activation_that_mixes_nodes(name):
    assert name not in activations()
    with pytest.raises(InputError, match="activation is 'softmax'"):
        checked_settings({"activation": name}, RunSettings())


def test_all_data_have_start_settings():
    assert set(STARTS) == {*BUILTIN, "table"}
    for name, start in STARTS.items():
        settings = checked_settings(start | {"data": name}, RunSettings(), columns=("a",))
        assert settings.data == name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("data", ["table", "spiral", 3, None, ["xor"]]),
        ("rows", [9, MOST_ROWS + 1, 10.5, "100", True, None, 10**400]),
        ("noise", [-0.1, 2.5, math.nan, math.inf, "0", None]),
        ("held", [-0.1, 0.95, "x"]),
        ("columns", ["a", ["nothing"], [1], {}, [["a"]]]),
        ("seed", [-1, 2**31, 0.5]),
        ("layers", [[0], [513], [1] * 7, "4", [4.5], [None], [[4]], {"a": 1}]),
        ("activation", ["tahn", 1, []]),
        ("loss", ["poisson", "mse", 0]),
        ("rule", ["lbfgs", "Adam", {}]),
        ("learning_rate", [0, -1, 1e-10, 1e4, math.nan, "fast", True, 10**400]),
        ("batch_size", [-1, MOST_ROWS + 1, 2.5]),
        ("l2", [-1, math.inf, 1e7, "0"]),
        ("l1", [-1, math.inf, 1e7, "0"]),
        ("derived", ["product", ["cube_0"], [1], {}, [["product"]], ["product"] * 6]),
    ],
)
def test_values_out_of_range_are_refused(name, values):
    for value in values:
        with pytest.raises(InputError, match=f"^{name} is ") as error:
            checked_settings({name: value}, RunSettings())
        assert "expected" in str(error.value)
        assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("name", "value"), [("layers", (4,) * 7), ("layers", (513,)), ("rows", 9), ("rule", "lbfgs")]
)
def test_no_run_begins_with_settings_that_the_page_could_not_change(name, value):
    runner = Runner(settings=dataclasses.replace(RunSettings(), **{name: value}))
    with pytest.raises(InputError, match=f"^{name} is .*; expected "):
        runner.start()


def test_unknown_settings_are_refused():
    with pytest.raises(InputError, match="settings hold 'bias'"):
        checked_settings({"bias": False}, RunSettings())


def test_integers_may_be_given_as_floats():
    assert checked_settings({"rows": 50.0}, RunSettings()).rows == 50


def test_short_gives_at_most_a_line_for_any_value():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    for value in ("x" * 10_000, [0] * 10_000, 10**5000, nested, {"a": ["b"] * 999}):
        assert len(short_repr(value)) < 80


# Seconds of Play, at the usual 300 steps a second, and the held-out score that must be reached: the
# share of right answers, or the mean error of a quantity.
LEARNT = {
    "plane": (0.03, 2),
    "bumps": (0.08, 5),
    "xor": (0.92, 2),
    "spirals": (0.95, 5),
    "circles": (0.97, 2),
    "moons": (0.95, 5),
    "digits": (0.93, 3),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("data", BUILTIN)
def test_the_start_settings_learn_every_built_in_data_set(data, seed):
    wanted, seconds = LEARNT[data]
    settings = dataclasses.replace(starting_with(data), seed=seed)
    problem = make_run_state(settings, None, StopFlag())

    def held_score():
        return unpack_frame(encode_frame(problem, {}, moving=False))[0]["held_score"]

    quantity = problem.data.target.task == "regression"
    assert held_score() > 0.15 if quantity else held_score() < 0.8
    while problem.run.step < 300 * seconds:
        problem.run.advance(300 * seconds - problem.run.step)
    assert held_score() <= wanted if quantity else held_score() >= wanted


def test_all_start_settings_set_the_same_fields():
    # A field that only some data set would keep its value from the data chosen before.
    assert len({tuple(sorted(start)) for start in STARTS.values()}) == 1

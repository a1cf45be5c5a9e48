"""Properties of every registered rule."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from deltarule.errors import InputError, UnknownName
from deltarule.optimizers import RULES, Rule, Slot, StepInfo

ALL = pytest.mark.parametrize("rule", list(RULES), ids=RULES.names())
RATES = {"sgd": 0.1, "momentum": 0.05, "nesterov": 0.05}


def a_step(t=1, p=5, **changes):
    weights = np.arange(p) % 2 == 0
    return StepInfo(t, 0.1, 1.5 / t, weights)._replace(**changes)


def run(rule, theta, gradients, step=a_step, xp=np):
    update = rule.bind(xp)
    slots = rule.initial_slots(xp, theta)
    for t, g in enumerate(gradients, start=1):
        theta, slots = update(theta, g, slots, step(t))
    return theta, slots


@pytest.fixture
def gradients():
    return np.random.default_rng(3).normal(size=(4, 5))


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [float, np.float64, np.asarray], ids=lambda f: f.__name__)
def test_shape_and_type_are_kept(rule, dtype, number, gradients):
    theta, slots = run(
        rule,
        np.ones(5, dtype),
        gradients.astype(dtype),
        lambda t: StepInfo(np.int64(t), number(0.1), number(0.5), np.ones(5, bool)),
    )
    assert theta.dtype == dtype
    assert theta.shape == (5,)
    start = rule.initial_slots(np, theta)
    assert start.keys() == slots.keys() == {slot.name for slot in rule.slots}
    for key, value in slots.items():
        assert value.dtype == start[key].dtype == dtype
        assert value.shape == start[key].shape


@ALL
def test_results_do_not_depend_on_the_type_of_the_rate(rule, gradients):
    plain, _ = run(rule, np.ones(5, np.float32), gradients.astype(np.float32))
    scalar, _ = run(
        rule,
        np.ones(5, np.float32),
        gradients.astype(np.float32),
        lambda t: a_step(t, learning_rate=np.float64(0.1)),
    )
    np.testing.assert_array_equal(plain, scalar)


@ALL
def test_inputs_are_unchanged(rule, gradients):
    theta = np.ones(5)
    _, slots = run(rule, theta, gradients)
    inputs = (theta, gradients[0], slots)
    before = pickle.dumps(inputs)
    for array in (theta, gradients, *slots.values()):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    rule.bind(np)(theta, gradients[0], slots, a_step(5))
    assert pickle.dumps(inputs) == before


@ALL
def test_elementwise(rule, gradients):
    whole, _ = run(rule, np.ones(5), gradients)
    part, _ = run(
        rule, np.ones(2), gradients[:, 2:4], lambda t: a_step(t, weights=a_step().weights[2:4])
    )
    np.testing.assert_array_equal(whole[2:4], part)


@ALL
def test_a_zero_gradient_from_the_start_moves_nothing(rule):
    theta, _ = run(rule, np.ones(5), np.zeros((3, 5)))
    biases = ~a_step().weights
    moves = np.ones(5, bool) if rule.name != "adamw" else biases
    np.testing.assert_array_equal(theta[moves], 1.0)


@ALL
def test_nan_is_not_hidden(rule, gradients):
    gradients[2, 1] = np.nan
    theta, _ = run(rule, np.ones(5), gradients)
    np.testing.assert_array_equal(np.isnan(theta), np.arange(5) == 1)


@ALL
def test_pickles_and_round_trips(rule):
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert RULES.get(json.loads(json.dumps(rule.spec()))) == rule
    assert hash(rule) == hash(RULES.get(rule.spec()))


@ALL
def test_is_documented(rule):
    assert rule.summary
    assert r"\leftarrow" in rule.latex
    assert rule.latex.count("{") == rule.latex.count("}")
    assert rule.latex.count(r"\begin{cases}") == rule.latex.count(r"\end{cases}")
    for part in ("Source", "Examples", ">>>", ".. math::"):
        assert part in rule.formula.__doc__


@ALL
def test_flags_say_what_is_read(rule, gradients):
    gone = {
        "learning_rate": None if not rule.uses_learning_rate else 0.1,
        "cost": None if not rule.uses_cost else 1.0,
        "weights": None if not rule.uses_weights else np.ones(5, bool),
    }
    run(rule, np.ones(5), gradients, lambda t: StepInfo(t, **gone))
    for name, value in gone.items():
        if value is not None:
            with pytest.raises((InputError, TypeError)):
                run(rule, np.ones(5), gradients, lambda t, n=name: StepInfo(t, **gone | {n: None}))


@ALL
def test_minimises_a_convex_quadratic(rule):
    hessian = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    target = np.array([0.5, -1.0, 2.0])
    if rule.name == "adamw":  # decay moves the minimum
        rule = rule.with_parameters(weight_decay=0.0)
    update, theta = rule.bind(np), np.zeros(3)
    slots = rule.initial_slots(np, theta)
    for t in range(1, 1501):
        r = theta - target
        # A rate that falls to 0 lets rmsprop and adam settle.
        rate = RATES.get(rule.name, 0.1 * 0.99**t)
        step = StepInfo(t, rate, float(0.5 * r @ hessian @ r), np.ones(3, bool))
        theta, slots = update(theta, hessian @ r, slots, step)
    np.testing.assert_allclose(theta, target, atol=1e-4)


def test_adamw_does_not_decay_biases(gradients):
    theta, _ = run(RULES.get("adamw"), np.ones(5), gradients)
    plain, _ = run(RULES.get("adam"), np.ones(5), gradients)
    weights = a_step().weights
    np.testing.assert_array_equal(theta[~weights], plain[~weights])
    assert np.all(theta[weights] != plain[weights])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("momentum", {"momentum": 1.0}),
        ("nesterov", {"momentum": -0.1}),
        ("rmsprop", {"rho": 1}),
        ("rmsprop", {"epsilon": 0.0}),
        ("adam", {"beta1": float("nan")}),
        ("adam", {"beta2": "0.9"}),
        ("adam", {"epsilon_inside": 1}),
        ("adamw", {"weight_decay": -1e-3}),
        ("adamw", {"weight_decay": True}),
        ("rprop", {"eta_plus": 0.9}),
        ("irprop-", {"eta_minus": 0.0}),
        ("rprop+", {"delta0": 60}),
        ("irprop+", {"delta_min": 0.2}),
        ("rprop", {"delta_max": float("nan")}),
    ],
)
def test_parameters_out_of_range_are_refused_at_once(name, parameters):
    with pytest.raises(InputError, match=rf"^{name.replace('+', '.')}: .* expected .*"):
        RULES.get(name, **parameters)


def test_unknown_parameter_and_name():
    with pytest.raises(InputError, match="no parameter 'beta3'"):
        RULES.get("adam", beta3=1)
    with pytest.raises(UnknownName, match="did you mean 'adamw'"):
        RULES.get("adamww")


def sign_sgd(xp, decay=0.0):
    def update(theta, g, slots, step):
        count = slots["count"] + 1.0
        return theta - step.learning_rate * xp.sign(g) - decay * theta, {"count": count}

    return update


def test_a_rule_of_ones_own():
    rule = Rule("test_sign", sign_sgd, {"decay": 0.0}, slots=[Slot("count", "scalar")])
    RULES.register(rule)
    try:
        theta, slots = run(RULES.get("test_sign"), np.ones(5, np.float32), np.ones((3, 5)))
        np.testing.assert_allclose(theta, 0.7, rtol=1e-6)
        assert slots["count"] == 3
        assert pickle.loads(pickle.dumps(rule)) == RULES.get(rule.spec()) == rule
    finally:
        RULES.unregister("test_sign")


def test_invalid_slots_are_refused():
    with pytest.raises(InputError, match="expected 'theta'"):
        Slot("v", "vector")
    with pytest.raises(InputError, match="different names"):
        Rule("mine", sign_sgd, slots=(Slot("v"), Slot("v", "scalar")))
    with pytest.raises(InputError, match=r"starts from 'delta0'.*decay"):
        Rule("mine", sign_sgd, {"decay": 0.0}, slots=(Slot("v", initial="delta0"),))


def test_importing_loads_nothing_heavier_than_numpy():
    code = (
        "import sys, deltarule.optimizers as o; assert set(o.__all__) <= set(dir(o));"
        "heavy = {'scipy', 'jax', 'numba', 'torch', 'sklearn', 'deltarule.maths'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

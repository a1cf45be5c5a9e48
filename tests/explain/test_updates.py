"""The derivation of an update equals the rule's own result, for every rule and state."""

import json
import subprocess

import numpy as np
import pytest
from tests.explain.trees import faults, walk
from tests.maths.conftest import make_problem

from deltarule import RULES, Network, Rule, explain
from deltarule.errors import InputError
from deltarule.explain import record_rule
from deltarule.explain.recorded_rules import record_any_step
from deltarule.maths import numpy_namespace
from deltarule.maths.penalties import penalty
from deltarule.optimizers import Slot, StepInfo, clip_by_norm

NET = Network([2, 3, 1], "tanh")
PROBLEM = make_problem(NET, n_rows=4)


def lookahead(xp, pull=0.5):
    """A user's own rule that needs t and η as numbers."""

    def update(theta, g, slots, step):
        rate = float(step.learning_rate) / (1 + step.t)
        far = theta - rate * xp.sign(g) * xp.sqrt(xp.abs(g))
        return theta + pull * (far - slots["anchor"]), {"anchor": far}

    return update


OWN = Rule("lookahead", lookahead, {"pull": 0.25}, slots=(Slot("anchor"),))
RULES_TO_TRY = [*RULES, OWN, RULES.get("adam", epsilon_inside=False)]


def states(rule, steps):
    """(θ, g, slots, info) before each of some steps, with gradients that keep and change sign."""
    rng = np.random.default_rng(5)
    theta = rng.normal(size=NET.n_parameters)
    slots = rule.initial_slots(np, theta)
    update = rule.bind(numpy_namespace())
    for t in range(1, steps + 1):
        g = rng.normal(size=len(theta)) * np.where(rng.random(len(theta)) < 0.1, 0.0, 1.0)
        info = StepInfo(t, 0.05 / t, float(rng.random()), NET.is_weight)
        yield theta, g, slots, info
        theta, slots = update(theta, g, slots, info)


@pytest.mark.parametrize("rule", RULES_TO_TRY, ids=str)
def test_a_rule_written_down_computes_what_the_rule_computes(rule):
    from deltarule.explain.formula_at_point import evaluated

    update = rule.bind(numpy_namespace())
    for theta, g, slots, info in states(rule, 6):
        expected, carried = update(theta, g, slots, info)
        scalars = {s.name: slots[s.name] for s in rule.slots if s.kind == "scalar"}
        for is_weight in (True, False):
            recorded = record_rule(
                rule, info.t, info.learning_rate, is_weight=is_weight, scalars=scalars,
                cost=info.cost,
            )  # fmt: skip
            values = {"theta": theta, "g": g} | {n: v for n, v in slots.items() if np.ndim(v)}
            roots = list(recorded.formula.results.values())
            found = evaluated(roots, values)
            at = NET.is_weight == is_weight
            assert (found[roots[0].index][at] == expected[at]).all()
            for slot, root in zip(rule.slots, roots[1:], strict=True):
                ours = np.broadcast_to(found[root.index], np.shape(carried[slot.name]))
                assert (ours == carried[slot.name]).all()


@pytest.mark.parametrize("rule", RULES_TO_TRY, ids=str)
def test_every_new_value_is_the_rules_own(rule):
    for t, (theta, _, slots, info) in enumerate(states(rule, 4), start=1):
        e = explain(
            NET, PROBLEM.X, PROBLEM.Y, theta=theta, rule=rule,
            learning_rate=info.learning_rate, slots=slots, number=t,
        )  # fmt: skip
        cost = e.trace.cost
        update = rule.bind(numpy_namespace())
        expected, _ = update(theta, e.trace.grad, slots, info._replace(cost=cost))
        for entry in (0, 5, 7, NET.n_parameters - 1):
            block, index = NET.block_at(entry)
            node = e.update(block.name, index)
            assert node.value == expected[entry]
            assert node.note == ""
            assert faults(node) == []


def test_adam_shows_its_means_and_their_corrections():
    slots = {"m": np.full(NET.n_parameters, 0.25), "v": np.full(NET.n_parameters, 0.5)}
    e = explain(
        NET, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, rule="adam", learning_rate=0.01,
        slots=slots, number=3,
    )  # fmt: skip
    node = e.update("W1", (0, 1))
    text = node.text(depth=3)
    for shown in (
        "w₀₁⁽¹⁾ − (η m̂)/(√(v̂) + 10^−8)",
        "m̂ = m/0.271",
        "m = 0.9 m′ + 0.1 ∂C/∂w₀₁⁽¹⁾",
        "v = 0.999 v′ + 0.001 (∂C/∂w₀₁⁽¹⁾)^2",
        "m′ = 0.250000  [before the step]",
    ):
        assert shown in text
    g = e.trace.dW[1][0, 1]
    values = {n.mark.key: n.value for n in walk(node, 3)}
    assert values["m"] == pytest.approx(0.9 * 0.25 + 0.1 * g, rel=1e-15)
    assert values["m hat"] == pytest.approx(values["m"] / (1 - 0.9**3), rel=1e-15)
    assert values["v hat"] == pytest.approx((0.999 * 0.5 + 0.001 * g * g) / (1 - 0.999**3))


def test_penalties_are_added_once_and_spare_biases():
    options = {"l2": 0.3, "l1": 0.2, "total_weight": 50.0}
    e = explain(
        NET, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, rule="sgd", learning_rate=0.1, **options
    )
    _, slope = penalty(NET, PROBLEM.theta, **options)
    for entry in range(NET.n_parameters):
        block, index = NET.block_at(entry)
        node = e.update(block.name, index)
        expected = PROBLEM.theta[entry] - 0.1 * (e.trace.grad[entry] + slope[entry])
        assert node.value == pytest.approx(expected, rel=1e-14)
        assert faults(node) == []
        assert ("α₂/(Σ_i sᵢ)" in node.text(depth=2)) == (block.kind == "W")


def test_clipping_is_a_factor():
    e = explain(
        NET, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, rule="sgd", learning_rate=0.1,
        clip_norm=0.125, l2=0.5,
    )  # fmt: skip
    _, slope = penalty(NET, PROBLEM.theta, l2=0.5, total_weight=4.0)
    grad, norm = clip_by_norm(np, e.trace.grad + slope, 0.125)
    node = e.update("W2", (0, 1))
    entry = NET.block("W2").start + 1
    assert node.value == pytest.approx(PROBLEM.theta[entry] - 0.1 * grad[entry], rel=1e-14)
    assert faults(node) == []
    values = {n.mark.key: n.value for n in walk(node, 4)}
    assert values["|g|"] == pytest.approx(norm, rel=1e-14)
    assert values["clip"] == pytest.approx(0.125 / norm, rel=1e-14)
    loose = explain(
        NET, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, rule="sgd", learning_rate=0.1, clip_norm=1e9
    ).update("W2", (0, 1))
    assert "nothing is clipped" in loose.text(depth=1)
    assert faults(loose) == []


def test_a_frozen_parameter_stays():
    net = NET.with_changes(frozen=["W1"])
    e = explain(net, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, rule="adamw", learning_rate=0.1)
    node = e.update("W1", (1, 1))
    assert node.value == PROBLEM.theta[3]
    assert "frozen" in node.note
    assert e.update("W2", (0, 0)).value != PROBLEM.theta[net.block("W2").start]


def test_an_engine_that_made_something_else_is_shown_beside():
    options = {"rule": "sgd", "learning_rate": 0.1, "theta": PROBLEM.theta}
    e = explain(NET, PROBLEM.X, PROBLEM.Y, **options)
    after = np.array([e.update(*_name(entry)).value for entry in range(NET.n_parameters)])
    after[2] += 1e-4
    shown = explain(NET, PROBLEM.X, PROBLEM.Y, theta_after=after, **options)
    assert shown.update("W1", (0, 1)).note == ""
    assert "the engine" in shown.update(*_name(2)).text()
    assert f"{after[2]:.6f}".replace("-", "−") in shown.update(*_name(2)).text()


def _name(entry):
    block, index = NET.block_at(entry)
    return block.name, index


def test_the_printed_javascript_is_the_rule():
    node = _node()
    recorded = record_rule("adamw", 3, None, is_weight=True)
    assert recorded.formula.arguments == ("theta", "g", "m", "v", "eta")
    code = recorded.javascript("update") + (
        "\nconsole.log(JSON.stringify(update(0.5, -0.25, 0.125, 0.0625, 0.01)));"
    )
    printed = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    slots = {"m": np.array([0.125]), "v": np.array([0.0625])}
    theta, after = RULES.get("adamw").bind(np)(
        np.array([0.5]), np.array([-0.25]), slots, StepInfo(3, 0.01, None, np.array([True]))
    )
    expected = [theta[0], after["m"][0], after["v"][0]]
    assert json.loads(printed.stdout) == pytest.approx(expected, rel=1e-15)


def _node():
    import shutil

    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def test_rules_print_in_every_form():
    for rule in RULES_TO_TRY:
        recorded = record_rule(rule, 2, 0.5, cost=1.0)
        assert "θ ←" in recorded.text()
        assert r"\theta \leftarrow" in recorded.latex()
        assert recorded.mathml().startswith("<math")


def broken(xp):
    def update(theta, g, slots, step):
        return theta if g.sum() > 0 else -theta, {}

    return update


def forgetful(xp):
    def update(theta, g, slots, step):
        return theta - g, {}

    return update


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: record_rule("sgd", 0, 0.1), "t is 0; expected the number of a step"),
        (lambda: record_rule("sgd", True, 0.1), "t is True"),
        (lambda: record_rule("sdg", 1, 0.1), "did you mean 'sgd'"),
        (lambda: record_rule(Rule("broken", broken), 1, 0.1), "cannot record rule broken"),
        (
            lambda: record_rule(Rule("forgetful", forgetful, slots=(Slot("v"),)), 1, 0.1),
            "cannot record rule forgetful",
        ),
        (lambda: record_rule("irprop+", 1), "step.cost is None"),
    ],
)
def test_a_rule_that_cannot_be_written_down_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "sgd"}, "needs a learning rate"),
        ({"rule": "sgd", "learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"rule": "sgd", "learning_rate": np.nan}, "learning_rate is nan"),
        ({"rule": "nope", "learning_rate": 0.1}, "unknown rule 'nope'"),
        ({"learning_rate": 0.1, "number": 0}, "number is 0"),
        ({"learning_rate": 0.1, "l3": 0.1}, "explain has no option 'l3'"),
        ({"learning_rate": 0.1, "slots": {"v": [0.0]}}, "rule 'sgd' carries no 'v'"),
        ({"rule": "momentum", "learning_rate": 0.1, "slots": {"v": [0.0]}}, "'v' has shape"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        explain(NET, PROBLEM.X, PROBLEM.Y, theta=PROBLEM.theta, **options)


@pytest.mark.parametrize("rule", RULES.names())
def test_a_rule_recorded_for_any_step_has_the_steps_of_one_recorded_for_a_step(rule):
    """With t as an argument the same steps, in the same order, of the same numbers."""
    for is_weight in (True, False):
        anywhere = record_any_step(rule, is_weight)
        here = record_rule(rule, 3, 0.5, is_weight=is_weight, cost=1.0)
        assert [name for name, _ in anywhere.steps] == [name for name, _ in here.steps]
        for (_, one), (_, other) in zip(anywhere.steps, here.steps, strict=True):
            assert set(one.arguments) - set(other.arguments) <= {"t"}
    assert record_any_step("adam", True).steps[2][1].text() == "m/(1 - 0.9^t)"

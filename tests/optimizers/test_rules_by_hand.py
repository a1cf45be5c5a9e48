"""Every rule against numbers worked out by hand, and against its paper's pseudocode."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

from deltarule.optimizers import RULES, StepInfo

# η and the parameters are chosen so that every root is rational: v̂ of adam is 36, 16, 16.
ADAM = {"beta1": 0.5, "beta2": 0.75, "epsilon": 2.0}
RPROP = {"delta0": 0.5}
RPROP_G = [3, 1e-200, -7, -2, 5]
COSTS = [4, 3, 5, 2, 1]

BY_HAND = [
    # name, parameters, η, gradients, θ after each step from θ = 1, slots at the end
    ("sgd", {}, Fraction(1, 4), [2, -1, 4], [Fraction(1, 2), Fraction(3, 4), Fraction(-1, 4)], {}),
    (
        "momentum",
        {"momentum": 0.5},
        Fraction(1, 4),
        [2, -1, 4],
        [Fraction(1, 2), Fraction(1, 2), Fraction(-1, 2)],
        {"v": -1},
    ),
    (
        "nesterov",
        {"momentum": 0.5},
        Fraction(1, 4),
        [2, -1, 4],
        [Fraction(1, 4), Fraction(1, 2), Fraction(-1)],
        {"v": -1},
    ),
    (
        "rmsprop",
        {"rho": 0.75, "epsilon": 1.0},
        Fraction(1, 2),
        [6, 3, -3],
        [Fraction(1, 4), Fraction(-1, 8), Fraction(1, 4)],
        {"v": 9},
    ),
    (
        "adam",
        ADAM,
        Fraction(1, 2),
        [6, 1, -4],
        [Fraction(5, 8), Fraction(29, 72), Fraction(251, 504)],
        {"m": -1, "v": Fraction(37, 4)},
    ),
    (
        "adam",
        ADAM | {"epsilon_inside": False},
        Fraction(1, 2),
        [6, 1, -4],
        [
            0.7,
            0.7 - sqrt(7) / 3 / (sqrt(7) + 2),
            0.7 - sqrt(7) / 3 / (sqrt(7) + 2) + sqrt(37) / 14 / (sqrt(37) / 2 + 2),
        ],
        {"m": -1, "v": Fraction(37, 4)},
    ),
    (
        "adamw",
        ADAM | {"weight_decay": 0.4},
        Fraction(1, 2),
        [6, 1, -4],
        [Fraction(1, 2), Fraction(2, 9), Fraction(16, 63)],
        {"m": -1, "v": Fraction(37, 4)},
    ),
    (
        "rprop",
        RPROP,
        None,
        RPROP_G,
        [Fraction(1, 2), Fraction(-1, 10), Fraction(1, 5), Fraction(14, 25), Fraction(19, 50)],
        {"delta": Fraction(9, 50), "sign": 1},
    ),
    (
        "irprop-",
        RPROP,
        None,
        RPROP_G,
        [Fraction(1, 2), Fraction(-1, 10), Fraction(-1, 10), Fraction(1, 5), Fraction(1, 5)],
        {"delta": Fraction(3, 20), "sign": 0},
    ),
    (
        "rprop+",
        RPROP,
        None,
        RPROP_G,
        [Fraction(1, 2), Fraction(-1, 10), Fraction(1, 2), Fraction(4, 5), Fraction(1, 2)],
        {"delta": Fraction(3, 20), "sign": 0},
    ),
    (
        # The cost rises at the first turn and falls at the second.
        "irprop+",
        RPROP,
        None,
        RPROP_G,
        [Fraction(1, 2), Fraction(-1, 10), Fraction(1, 2), Fraction(4, 5), Fraction(4, 5)],
        {"delta": Fraction(3, 20), "sign": 0, "cost": 1},
    ),
]


@pytest.mark.parametrize(
    ("name", "parameters", "rate", "gradients", "thetas", "last"),
    BY_HAND,
    ids=[f"{row[0]}-{i}" for i, row in enumerate(BY_HAND)],
)
def test_by_hand(name, parameters, rate, gradients, thetas, last):
    rule = RULES.get(name, **parameters)
    update = rule.bind(np)
    theta = np.array([1.0])
    slots = rule.initial_slots(np, theta)
    rate = None if rate is None else float(rate)
    for t, (g, expected) in enumerate(zip(gradients, thetas, strict=True), start=1):
        step = StepInfo(t, rate, float(COSTS[t - 1]), np.array([True]))
        theta, slots = update(theta, np.array([float(g)]), slots, step)
        np.testing.assert_allclose(theta, float(expected), rtol=0, atol=1e-15)
    assert slots.keys() == last.keys()
    for key, value in last.items():
        np.testing.assert_allclose(slots[key], float(value), rtol=1e-15)


def test_every_rule_has_numbers_by_hand():
    builtin = {name for name in RULES.names() if not name.startswith("test_")}
    assert {row[0] for row in BY_HAND} == builtin


def test_order_of_complexity():
    expected = "sgd momentum nesterov rmsprop adam adamw rprop irprop- rprop+ irprop+"
    assert RULES.names() == expected.split()


# --- the pseudocode of the papers, on single numbers -----------------------------------


def scalar_adam(gradients, theta, rate, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, sec2=False):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        if sec2:
            theta -= rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + eps)
        else:
            theta -= rate * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)
        theta -= rate * decay * theta
        yield theta


def scalar_velocity(gradients, theta, rate, mu, ahead):
    v = 0.0
    for g in gradients:
        v = mu * v - rate * g
        theta = theta + mu * v - rate * g if ahead else theta + v
        yield theta


def scalar_rmsprop(gradients, theta, rate, rho=0.9, eps=1e-8):
    v = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        theta -= rate * g / (sqrt(v) + eps)
        yield theta


def scalar_rprop(gradients, theta, variant, costs, delta=0.1, low=1e-6, high=50.0):
    """Igel and Hüsken's algorithms 1 to 4, with the previous gradient and step."""
    before, move, cost_before = 0.0, 0.0, None
    for g, cost in zip(gradients, costs, strict=True):
        kept = g
        if before * g > 0:
            delta = min(delta * 1.2, high)
            move = -np.sign(g) * delta
            theta += move
        elif before * g < 0:
            delta = max(delta * 0.5, low)
            if variant == "rprop":
                move = -np.sign(g) * delta
                theta += move
            else:
                kept = 0.0
                if variant == "rprop+" or (variant == "irprop+" and cost > cost_before):
                    theta -= move
        else:
            move = -np.sign(g) * delta
            theta += move
        before, cost_before = kept, cost
        yield theta


RNG = np.random.default_rng(7)
# Signs that stay and turn, and gradients of exactly zero.
G = RNG.normal(size=(60, 8)) * 10.0 ** RNG.integers(-3, 3, size=(60, 8))
G[RNG.random(size=G.shape) < 0.1] = 0.0
THETA0 = RNG.normal(size=8)
COST = RNG.normal(size=60)

SCALAR = {
    "sgd": lambda g, theta: scalar_velocity(g, theta, 0.01, 0.0, False),
    "momentum": lambda g, theta: scalar_velocity(g, theta, 0.01, 0.9, False),
    "nesterov": lambda g, theta: scalar_velocity(g, theta, 0.01, 0.9, True),
    "rmsprop": lambda g, theta: scalar_rmsprop(g, theta, 0.01),
    "adam": lambda g, theta: scalar_adam(g, theta, 0.01),
    "adam sec. 2": lambda g, theta: scalar_adam(g, theta, 0.01, sec2=True),
    "adamw": lambda g, theta: scalar_adam(g, theta, 0.01, decay=0.01),
    **{
        name: lambda g, theta, name=name: scalar_rprop(g, theta, name, COST)
        for name in ("rprop", "irprop-", "rprop+", "irprop+")
    },
}


@pytest.mark.parametrize("case", SCALAR)
def test_equals_the_papers_one_number_at_a_time(case):
    changes = {"epsilon_inside": False} if case == "adam sec. 2" else {}
    rule = RULES.get(case.split()[0], **changes)
    expected = np.array([list(SCALAR[case](G[:, i], THETA0[i])) for i in range(G.shape[1])]).T
    update, theta = rule.bind(np), THETA0
    slots = rule.initial_slots(np, theta)
    for t in range(1, len(G) + 1):
        step = StepInfo(t, 0.01, COST[t - 1], np.ones(8, bool))
        theta, slots = update(theta, G[t - 1], slots, step)
        np.testing.assert_allclose(theta, expected[t - 1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["rprop", "irprop-", "rprop+", "irprop+"])
class TestRprop:
    def run(self, name, gradients, costs=None, **parameters):
        rule = RULES.get(name, **parameters)
        update, theta = rule.bind(np), np.array([0.0])
        slots = rule.initial_slots(np, theta)
        for t, g in enumerate(gradients, start=1):
            cost = 0.0 if costs is None else costs[t - 1]
            theta, slots = update(theta, np.array([float(g)]), slots, StepInfo(t, cost=cost))
        return theta, slots

    def test_size_of_the_gradient_does_not_matter(self, name):
        small = self.run(name, [1e-300, 1e-250, -1e-300, 5e-324])
        large = self.run(name, [1e300, 1e250, -1e300, 1.0])
        assert small == large

    def test_delta_stays_within_its_bounds(self, name):
        _, slots = self.run(name, [1] * 20, delta0=1.0, delta_max=3.0)
        assert slots["delta"] == 3.0
        _, slots = self.run(name, [1, -1] * 20, delta0=1.0, delta_min=0.25)
        assert slots["delta"] == 0.25

    def test_delta_is_unchanged_after_a_zero_gradient(self, name):
        _, slots = self.run(name, [1, 0, -1], delta0=1.0)
        assert slots["delta"] == 1.0

    def test_step_sizes_of_ones_own(self, name):
        rule = RULES.get(name)
        theta = np.zeros(2)
        slots = rule.initial_slots(np, theta) | {"delta": np.array([0.5, 0.25])}
        theta, _ = rule.bind(np)(theta, np.array([1.0, -1.0]), slots, StepInfo(1, cost=0.0))
        np.testing.assert_array_equal(theta, [-0.5, 0.25])

    def test_the_learning_rate_is_not_used(self, name):
        rule = RULES.get(name)
        assert not rule.uses_learning_rate
        assert rule.full_batch
        theta = np.zeros(1)
        slots = rule.initial_slots(np, theta)
        moved = [rule.bind(np)(theta, theta + 1, slots, StepInfo(1, r, 0.0))[0] for r in (1, 9)]
        assert moved[0] == moved[1] == -0.1


def test_irprop_plus_compares_costs_in_the_type_of_the_slot():
    # 0.1 is not exact in float32: kept as float32, it would differ from the float64 0.1.
    rule = RULES.get("irprop+")
    update, theta = rule.bind(np), np.zeros(1, np.float32)
    slots = rule.initial_slots(np, theta)
    for t, (g, cost) in enumerate(((1, 0.3), (-1, 0.3)), start=1):
        before = theta
        theta, slots = update(theta, np.float32([g]), slots, StepInfo(t, cost=np.float64(cost)))
    np.testing.assert_array_equal(theta, before)
    assert slots["cost"].dtype == np.float32

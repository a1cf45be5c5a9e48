"""Rules, schedules and averages against PyTorch, scikit-learn, and under jax.jit."""

import numpy as np
import pytest

from deltarule.optimizers import RULES, SCHEDULES, StepInfo, average, clip_by_norm

RNG = np.random.default_rng(11)
GRADIENTS = RNG.normal(size=(40, 6)) * np.array([1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0])
THETA0 = RNG.normal(size=6)
COSTS = RNG.normal(size=40)
WEIGHTS = np.arange(6) != 2


def walk(rule, rate=0.01):
    update, theta = rule.bind(np), THETA0
    slots = rule.initial_slots(np, theta)
    for t, g in enumerate(GRADIENTS, start=1):
        theta, slots = update(theta, g, slots, StepInfo(t, rate, COSTS[t - 1], WEIGHTS))
        yield theta


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "parameters", "optimizer", "settings"),
    [
        ("sgd", {}, "SGD", {}),
        ("momentum", {"momentum": 0.8}, "SGD", {"momentum": 0.8}),
        ("nesterov", {"momentum": 0.8}, "SGD", {"momentum": 0.8, "nesterov": True}),
        ("rmsprop", {"rho": 0.97}, "RMSprop", {"alpha": 0.97, "eps": 1e-8}),
        ("adam", {}, "Adam", {}),
        ("adam", {"beta1": 0.8, "beta2": 0.95}, "Adam", {"betas": (0.8, 0.95)}),
        ("adamw", {"weight_decay": 0.0}, "AdamW", {"weight_decay": 0.0}),
        ("irprop-", {"delta0": 0.01}, "Rprop", {}),
    ],
)
def test_equals_pytorch(name, parameters, optimizer, settings):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    theta = torch.tensor(THETA0, dtype=torch.float64, requires_grad=True)
    other = getattr(torch.optim, optimizer)([theta], lr=0.01, **settings)
    for g, ours in zip(GRADIENTS, walk(RULES.get(name, **parameters)), strict=True):
        theta.grad = torch.tensor(g)
        other.step()
        np.testing.assert_allclose(ours, theta.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.oracle
def test_adamw_is_pytorchs_with_the_decay_after_the_step():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    rate, decay = 0.01, 0.1
    rule = RULES.get("adamw", weight_decay=decay)
    theta = torch.tensor(THETA0, dtype=torch.float64, requires_grad=True)
    other = torch.optim.Adam([theta], lr=rate)
    for g, ours in zip(GRADIENTS, walk(rule, rate), strict=True):
        theta.grad = torch.tensor(g)
        other.step()
        with torch.no_grad():
            theta[torch.tensor(WEIGHTS)] *= 1 - rate * decay
        np.testing.assert_allclose(ours, theta.detach().numpy(), rtol=1e-12, atol=1e-12)


def sklearn_optimizers():
    name = "sklearn.neural_network._stochastic_optimizers"
    return pytest.importorskip(name, reason="scikit-learn's private optimizers have moved")


def test_adam_with_epsilon_outside_is_scikit_learns():
    theta = THETA0.copy()
    other = sklearn_optimizers().AdamOptimizer([theta], learning_rate_init=0.01)
    rule = RULES.get("adam", epsilon_inside=False)
    for g, ours in zip(GRADIENTS, walk(rule), strict=True):
        other.update_params([theta], [g])
        np.testing.assert_allclose(ours, theta, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_momentum_is_scikit_learns(name):
    theta = THETA0.copy()
    other = sklearn_optimizers().SGDOptimizer(
        [theta], learning_rate_init=0.01, momentum=0.9, nesterov=name == "nesterov"
    )
    for g, ours in zip(GRADIENTS, walk(RULES.get(name)), strict=True):
        other.update_params([theta], [g])
        np.testing.assert_allclose(ours, theta, rtol=1e-12, atol=1e-12)


def test_inverse_scaling_can_be_scikit_learns():
    rows, power = 130, 0.3
    other = sklearn_optimizers().SGDOptimizer(
        [THETA0.copy()], learning_rate_init=0.2, lr_schedule="invscaling", power_t=power
    )
    schedule = SCHEDULES.get("inverse_scaling", per="epoch", scale=rows, power=power)
    for epoch in range(5):
        ours = 0.2 * schedule.factors(epoch, 3, 5)
        np.testing.assert_allclose(ours, other.learning_rate, rtol=1e-14)
        other.iteration_ends((epoch + 1) * rows)


@pytest.mark.oracle
def test_one_cycle_is_pytorchs_one_step_later():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    total, share, start, final = 40, 0.3, 0.1, 0.02
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    other = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=total + 1,
        pct_start=(share * total + 1) / (total + 1),
        div_factor=1 / start,
        final_div_factor=start / final,
        cycle_momentum=False,
    )
    schedule = SCHEDULES.get("one_cycle", warmup=share, start=start, final=final)
    for factor in schedule.factors(0, total, 1):
        np.testing.assert_allclose(factor, other.get_last_lr()[0], rtol=1e-12)
        optimizer.step()
        other.step()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"patience": 2}, {"patience": 2}),
        (
            {"patience": 0, "cooldown": 3, "factor": 0.5, "minimum": 0.125},
            {"patience": 0, "cooldown": 3, "factor": 0.5, "min_lr": 0.125},
        ),
        (
            {"patience": 1, "threshold": 0.1, "relative": False},
            {"patience": 1, "threshold": 0.1, "threshold_mode": "abs"},
        ),
    ],
)
def test_reduce_on_plateau_is_pytorchs(ours, theirs):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    losses = np.round(np.abs(np.random.default_rng(5).normal(size=60)) + 1.0, 2)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0.0, **theirs)
    schedule = SCHEDULES.get("reduce_on_plateau", **ours)
    for epoch, loss in enumerate(losses):
        factor = schedule.factors(epoch, 1, 60, losses)
        np.testing.assert_allclose(factor, optimizer.param_groups[0]["lr"], rtol=1e-12)
        other.step(float(loss))
    assert factor[0] < 1.0


# --- formulas traced by JAX -------------------------------------------------------------


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="jax is not installed")


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", list(RULES), ids=RULES.names())
def test_under_jit_the_numbers_are_the_same(jax, rule, dtype):
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    theta0, gradients = THETA0.astype(dtype), GRADIENTS.astype(dtype)
    with jax.enable_x64(dtype == "float64"):
        jnp = jax.numpy
        # Everything that changes from step to step is traced, t and rate included.
        update = jax.jit(rule.bind(jnp))
        theirs = jnp.asarray(theta0)
        ours, slots = theta0, rule.initial_slots(np, theta0)
        traced = rule.initial_slots(jnp, theirs)
        for t, g in enumerate(gradients, start=1):
            cost = float(COSTS[t - 1])
            ours, slots = rule.bind(np)(ours, g, slots, StepInfo(t, 0.01, cost, WEIGHTS))
            theirs, traced = update(
                theirs, jnp.asarray(g), traced, StepInfo(t, 0.01, cost, jnp.asarray(WEIGHTS))
            )
            assert theirs.dtype == dtype
            np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance)
            for key, value in traced.items():
                assert value.dtype == dtype
                np.testing.assert_allclose(value, slots[key], rtol=tolerance, atol=tolerance)
        assert update._cache_size() == 1


@pytest.mark.oracle
@pytest.mark.parametrize("rule", list(RULES), ids=RULES.names())
def test_inside_scan(jax, rule):
    jnp = jax.numpy
    update = rule.bind(jnp)
    weights = jnp.asarray(WEIGHTS)
    start = jnp.asarray(THETA0, jnp.float32)

    def body(carry, row):
        (theta, slots), (t, g, cost) = carry, row
        rate = jnp.float32(0.01)
        return update(theta, g, slots, StepInfo(t, rate, cost, weights)), None

    rows = (
        jnp.arange(1, 41),
        jnp.asarray(GRADIENTS, jnp.float32),
        jnp.asarray(COSTS, jnp.float32),
    )
    (theta, _), _ = jax.lax.scan(body, (start, rule.initial_slots(jnp, start)), rows)
    *_, expected = walk(rule)
    np.testing.assert_allclose(theta, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
def test_first_adam_step_keeps_its_digits_in_traced_float32(jax):
    # 1 − 0.999 in float32 is off by 5e-5; the step would be off by half of that.
    jnp = jax.numpy
    rule = RULES.get("adam")
    zero = jnp.zeros(3, jnp.float32)
    g = jnp.asarray([1e-3, 1.0, 1e3], jnp.float32)
    step = jax.jit(rule.bind(jnp))(zero, g, rule.initial_slots(jnp, zero), StepInfo(1, 1.0))[0]
    expected = -np.asarray(g, np.float64) / (np.asarray(g, np.float64) + 1e-8)
    np.testing.assert_allclose(step, expected, rtol=5e-7)


@pytest.mark.oracle
def test_clipping_and_averaging_under_jit(jax):
    jnp = jax.numpy
    g = np.array([3.0, 4.0, 1e30], np.float32)
    for bound in (1.0, 1e31):
        ours, norm = clip_by_norm(np, g, bound)
        theirs, traced = jax.jit(lambda g, c=bound: clip_by_norm(jnp, g, c))(g)
        np.testing.assert_allclose(theirs, ours, rtol=1e-6)
        np.testing.assert_allclose(traced, norm, rtol=1e-6)
    for decay in (0.0, 0.9, 0.9999, 1.0):
        traced = jax.jit(lambda m, x, t, d=decay: average(jnp, m, x, d, t))
        for t in (1, 2, 1000, 10**6):
            expected = average(np, g, 2 * g, decay, t)
            np.testing.assert_allclose(traced(g, 2 * g, t), expected, rtol=1e-6)
            assert traced(g, 2 * g, t).dtype == expected.dtype == np.float32
